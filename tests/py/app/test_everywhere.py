"""The same application under Velocem and every other server that it is for."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.databases import free_port
from support.process import environment

HERE = Path(__file__).parent
ASGI, WSGI = "asgi", "wsgi"

SERVERS: dict[str, tuple[str, list[str]]] = {
    "velocem": (ASGI, ["velocem", "everywhere:app", "--port", "{port}", "--no-access-log"]),
    "velocem-threads": (ASGI, ["velocem", "everywhere:app", "--port", "{port}", "--threads", "2"]),
    "velocem-asgi": (ASGI, ["velocem", "everywhere:app", "--port", "{port}", "--interface", "asgi"]),
    "velocem-wsgi": (WSGI, ["velocem", "everywhere:app", "--port", "{port}", "--interface", "wsgi"]),
    "uvicorn": (ASGI, ["uvicorn", "everywhere:app", "--port", "{port}"]),
    "hypercorn": (ASGI, ["hypercorn", "everywhere:app", "--bind", "127.0.0.1:{port}"]),
    "gunicorn": (WSGI, ["gunicorn", "everywhere:app", "--bind", "127.0.0.1:{port}"]),
    "gunicorn-threads": (WSGI, ["gunicorn", "everywhere:app", "--bind", "127.0.0.1:{port}", "--threads", "4"]),
    "granian-asgi": (ASGI, ["granian", "--interface", "asgi", "--port", "{port}", "everywhere:app"]),
    "granian-rsgi": (ASGI, ["granian", "--interface", "rsgi", "--port", "{port}", "everywhere:app"]),
    "granian-wsgi": (WSGI, ["granian", "--interface", "wsgi", "--port", "{port}", "everywhere:app"]),
}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Place:
    """A server that runs, and what its application says."""

    def __init__(self, name: str, folder: Path) -> None:
        self.kind, line = SERVERS[name]
        port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        shutil.copy(HERE / "everywhere.py", folder)
        self.log = folder / "log"
        command = [sys.executable, "-m", *(word.format(port=port) for word in line)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment())

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/").status_code == 200
        except httpx.TransportError:
            return False

    def said(self) -> list[str]:
        return (self.folder / "said").read_text().split("\n")[:-1]


@pytest.fixture(name="place", params=SERVERS)
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(request.param, tmp_path)
    try:
        wait_for(place.answers)
        yield place
    finally:
        place.process.send_signal(signal.SIGTERM)
        try:
            place.process.wait(20)
        finally:
            place.process.kill()


def test_it_is_the_same_application(place: Place) -> None:
    with httpx.Client(base_url=place.url) as c:
        requests(c)
        bodies(c)
        streams_and_mounts(c)
        assert c.get("/session").json() is True
        files(c)
        wait_for(lambda: place.said().count("session ended") == 6)  # that of the stream and of files, too
        assert c.get("/thread").text != ""
        failed = c.get("/fail")
        assert (failed.status_code, failed.json()["status"]) == (500, 500)
    text = place.log.read_text()
    assert text.count("Traceback") == 1, text
    assert "ZeroDivisionError" in text
    place.process.send_signal(signal.SIGTERM)
    place.process.wait(20)
    if place.kind == ASGI:  # others end their processes as they like
        assert place.said()[-1] == "stopped"


def requests(c: httpx.Client) -> None:
    hello = c.get("/")
    assert (hello.text, hello.headers["content-type"], hello.headers["content-length"]) == (
        "Hello, World!",
        "text/plain; charset=utf-8",
        "13",
    )
    assert c.get("/users/42?q=a%20b&q=c", headers={"X-A": "e"}).json() == {
        "id": 42,
        "q": "a b",
        "x": "e",
    }
    assert c.get("/names/caf%C3%A9").text == "café"
    assert c.get("/users/x").status_code == 404
    assert c.get("/nothing").status_code == 204
    assert c.get("/cookies").headers.get_list("set-cookie")[1].startswith("b=2")
    refused = c.put("/")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    head = c.head("/")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "13", b"")
    assert c.options("/").headers["allow"] == "GET, HEAD, OPTIONS"
    assert c.get("/users/42/?a=1").headers["location"] == "../42?a=1"
    none = c.get("/hooked/none")
    assert (none.status_code, none.headers["x-hooked"], none.json()["key"]) == (404, "1", 1)
    told = c.get("/request?a=1&a=2").json()
    assert (told["method"], told["path"], told["query"]) == ("GET", "/request", {"a": ["1", "2"]})
    assert (told["scheme"], told["host"]) == ("http", c.base_url.netloc.decode())


def bodies(c: httpx.Client) -> None:
    made = c.post("/users", json={"name": "é"})
    assert (made.status_code, made.json()) == (201, {"name": "é"})
    assert c.post("/users", json={}).json()["errors"] == [{"loc": ["body", "name"], "msg": "is missing"}]
    assert c.post("/users", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert c.post("/users", data={"name": "a"}).status_code == 415
    assert c.post("/form", data={"name": "a b&c"}).text == "a b&c"
    assert c.post("/size", content=b"x" * (1 << 20)).json() == 1 << 20
    assert c.post("/size", content=iter([b"x" * 1000] * 100)).json() == 100_000  # chunked
    assert c.post("/size", content=b"x" * ((1 << 20) + 1)).status_code == 413


def files(c: httpx.Client) -> None:
    source = (HERE / "everywhere.py").read_bytes()
    whole = c.get("/file")
    assert (whole.content, whole.headers["content-type"]) == (source, "text/x-python")
    assert whole.headers["content-length"] == str(len(source))
    part = c.get("/file", headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, source[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(source)}"
    same = c.get("/file", headers={"if-none-match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert c.head("/file").headers["content-length"] == str(len(source))


def streams_and_mounts(c: httpx.Client) -> None:
    assert c.get("/stream").text == "0;1;2;3;4;"
    assert c.get("/blocks").content == b"a" * 1000 + b"b" * 1000
    under: Any = c.post("/wsgi/a%20b", content=b" body")
    assert (under.text, under.headers["x-script"]) == ("/a b body", "/wsgi")
    other = c.post("/asgi/x", content=b" body")
    assert (other.text, other.headers["x-root"]) == ("/asgi/x body", "/asgi")
