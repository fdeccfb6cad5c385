"""Reads the body and answers with its length."""

import os
from collections.abc import Callable, Iterable
from typing import Any

LENGTH = "BENCH_LENGTH" in os.environ


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    answer = b"%d" % len(body)
    fields = [("Content-Type", "text/plain")]
    if LENGTH:
        fields.append(("Content-Length", str(len(answer))))
    start_response("200 OK", fields)
    return [answer]
