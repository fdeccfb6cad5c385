"""Answers with a file as the server's own resource sends it."""

import os

from twisted.web.static import File


class Leaf(File):
    isLeaf = True  # noqa: N815


app = Leaf(os.environ["BENCH_FILE"], defaultType="application/octet-stream")
