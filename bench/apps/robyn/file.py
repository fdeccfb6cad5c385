"""Answers with a file by its path."""

import os

from robyn import Headers, Robyn
from robyn.responses import FileResponse

PATH = os.environ["BENCH_FILE"]
app = Robyn(__file__)


@app.get("/")
def file() -> FileResponse:
    return FileResponse(PATH, headers=Headers({"Content-Type": "application/octet-stream"}))
