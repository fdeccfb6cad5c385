"""Hello after 10 ms, as of an application that waits for its database."""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

FIELDS = [("Content-Type", "text/plain")]
if "BENCH_LENGTH" in os.environ:  # for the servers that do not add it to a one-item body
    FIELDS.append(("Content-Length", "13"))


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    time.sleep(0.01)
    start_response("200 OK", FIELDS)
    return [b"Hello, World!"]
