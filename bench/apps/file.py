"""Answers with a file, through the server's file_wrapper where it has one."""

import os
from wsgiref.util import FileWrapper

PATH = os.environ["BENCH_FILE"]
FIELDS = [("Content-Type", "application/octet-stream"), ("Content-Length", str(os.path.getsize(PATH)))]
BLOCK = 1 << 16


def app(environ, start_response):
    start_response("200 OK", FIELDS)
    return environ.get("wsgi.file_wrapper", FileWrapper)(open(PATH, "rb"), BLOCK)
