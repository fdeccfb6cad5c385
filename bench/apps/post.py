"""Reads the body and answers with its length."""

import os


def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    answer = b"%d" % len(body)
    fields = [("Content-Type", "text/plain")]
    if "BENCH_LENGTH" in os.environ:
        fields.append(("Content-Length", str(len(answer))))
    start_response("200 OK", fields)
    return [answer]
