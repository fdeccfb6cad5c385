"""The demonstration of `make run`, by httpx, as the command serves it, and in a browser where there is one."""

import csv
import os
import shutil
import signal
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.process import Process

from velocem import Server

Open = Callable[[Server], httpx.Client]

ROOT = Path(__file__).resolve().parents[3]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FIXED = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,900",
]


def png(width: int, height: int) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    lines = chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * width) * height))
    return b"\x89PNG\r\n\x1a\n" + head + lines + chunk(b"IEND", b"")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("BOARD_DATA", str(tmp_path / "default"))
    from examples.board import create_app

    with Server(create_app(str(tmp_path / "board"))) as running:
        yield running


@pytest.fixture
def client(server: Server, browse: Open) -> httpx.Client:
    return browse(server)


def post(client: httpx.Client, author: str, text: str, picture: bytes = b"") -> httpx.Response:
    files = {"picture": ("picture", picture)} if picture else {"picture": ("", b"")}
    return client.post("/", data={"author": author, "text": text}, files=files)


def test_a_message_is_posted_shown_once_more_and_its_author_remembered(client: httpx.Client) -> None:
    response = post(client, "Zoë", "first line\r\nhttps://example.org/a?b=1&c=<2>.")
    assert (response.status_code, response.headers["Location"]) == (303, "/#m7")
    page = client.get("/").text
    assert "Your message is on the board." in page
    assert 'first line\n<a href="https://example.org/a?b=1&amp;c=" rel="nofollow noopener">' in page
    assert "&lt;2&gt;." in page
    assert 'value="Zoë"' in page
    assert "Your message is on the board." not in client.get("/").text
    assert "<strong>Zoë</strong>" in client.get("/messages/7").text


def test_a_picture_goes_both_ways(client: httpx.Client) -> None:
    picture = png(640, 480)
    assert post(client, "Zoë", "", picture).status_code == 303
    shown = client.get("/api/messages/7").json()["picture"]
    response = client.get(shown)
    assert response.content == picture
    assert response.headers["Content-Type"] == "image/png"
    assert "immutable" in response.headers["Cache-Control"]
    assert client.get(shown, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
    assert client.get(shown, headers={"Range": "bytes=1-3"}).content == b"PNG"


@pytest.mark.parametrize(
    ("author", "text", "picture", "problem"),
    [
        ("", "text", b"", "Please give a name"),
        ("x" * 41, "text", b"", "A name has at most 40 characters."),
        ("Zoë", "  ", b"", "Please write something"),
        ("Zoë", "x" * 2001, b"", "this one has 2001"),
        ("Zoë", "text", b"<svg onload='x()'>", "This is not a picture"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_kept(
    client: httpx.Client, author: str, text: str, picture: bytes, problem: str
) -> None:
    response = post(client, author, text, picture)
    assert response.status_code == 422
    assert problem in response.text
    assert response.text.count('aria-invalid="true"') == 1
    assert f'value="{author}"' in response.text
    assert client.get("/api/messages").json()["total"] == 6


def test_a_form_of_another_site_and_too_large_a_picture_are_refused(client: httpx.Client) -> None:
    foreign = client.post("/", data={"author": "a", "text": "b"}, headers={"Origin": "http://elsewhere"})
    assert foreign.status_code == 403
    own = client.post("/", data={"author": "a", "text": "b"}, headers={"Origin": str(client.base_url).rstrip("/")})
    assert own.status_code == 303
    assert post(client, "a", "b", png(10, 10) + bytes(7 << 20)).status_code == 413


def test_paging_and_search(client: httpx.Client) -> None:
    for number in range(20):
        post(client, "Many", f"number {number} of 100% and_more")
    first = client.get("/").text
    assert "26 in all, page 1 of 4" in first
    assert 'rel="next" href="/?page=2"' in first
    last = client.get("/?page=99").text
    assert last.count("<article") == 2
    assert 'rel="next"' not in last
    found = client.get("/?q=NUMBER+1").text
    assert "11 messages with “NUMBER 1”" in found
    assert "<mark>number 1</mark>" in found
    assert "20 messages with" in client.get("/?q=d_m").text
    assert "Nothing here has these words" in client.get("/?q=d%25m").text
    assert "&lt;script&gt;" in client.get("/?q=<script>").text


def test_the_interface_for_programs(client: httpx.Client) -> None:
    created = client.post("/api/messages", json={"author": "Bot", "text": "Grüße"})
    assert (created.status_code, created.headers["Location"]) == (201, "/api/messages/7")
    assert client.get("/api/messages/7").json() == created.json()
    listed = client.get("/api/messages", params={"limit": 2, "q": "grüße"}).json()
    assert (listed["total"], [message["id"] for message in listed["messages"]]) == (1, [7])
    assert client.post("/api/messages", json={"author": "", "text": "x"}).json()["errors"].keys() == {"author"}
    assert client.post("/api/messages", json=[1]).status_code == 400
    assert client.post("/api/messages", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert client.get("/api/messages/99").json() == {"error": "There is no message 99."}


def test_everything_as_csv_is_streamed(client: httpx.Client) -> None:
    for number in range(300):
        client.post("/api/messages", json={"author": "Bulk", "text": f'{number} "quoted",\n' + "x" * 500})
    response = client.get("/messages.csv")
    assert response.headers["Transfer-Encoding"] == "chunked"
    rows = list(csv.DictReader(response.text.splitlines(keepends=True)))
    assert len(rows) == 306
    assert rows[-1]["text"].startswith('299 "quoted",\nxxx')


def test_the_live_page_is_streamed_and_hears_of_new_messages(client: httpx.Client) -> None:
    with client.stream("GET", "/live") as page:
        assert page.headers["Transfer-Encoding"] == "chunked"
        assert 'data-last="6"' in page.read().decode()
    assert client.get("/live/events?after=6").text == "retry: 1500\n\n"
    post(client, "Zoë", "one\ntwo")
    events = client.get("/live/events", headers={"Last-Event-ID": "6"})
    assert events.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert "\nid: 7\ndata: <article" in events.text
    assert all(line[:5] in ("", "id: 7", "data:", "retry") for line in events.text.split("\n"))


def test_the_page_about_the_server(server: Server, client: httpx.Client) -> None:
    page = client.get("/server", headers={"X-Custom": "<mine>"}).text
    assert f'<th scope="row">SERVER_PORT</th><td>{server.port}</td>' in page
    assert '<th scope="row">HTTP_X_CUSTOM</th><td>&lt;mine&gt;</td>' in page
    assert '<th scope="row">wsgi.multithread</th><td>False</td>' in page


def test_static_files_errors_and_policy(client: httpx.Client) -> None:
    assert client.get("/static/board.css").headers["Content-Type"] == "text/css; charset=utf-8"
    missing = client.get("/nothing")
    assert (missing.status_code, "Back to the messages" in missing.text) == (404, True)
    assert client.get("/pictures/..%2fsecret").status_code == 404
    assert missing.headers["Content-Security-Policy"].startswith("default-src 'self'")


def test_the_command_serves_it_with_temporary_data(tmp_path: Path) -> None:
    env = {"BOARD_DATA": "", "TMPDIR": str(tmp_path)}
    with Process("examples.board:app", "--app-dir", str(ROOT), "--port", "0", cwd=tmp_path, env=env) as process:
        page = httpx.get("http://{}:{}/".format(*process.address), trust_env=False)
        assert page.status_code == 200
        assert page.text.count("<article") == 6
        assert [path.name[:6] for path in tmp_path.iterdir()] == ["board-"]
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_data_stays_where_board_data_says(tmp_path: Path) -> None:
    env = {"BOARD_DATA": str(tmp_path / "kept")}
    for expected in (7, 8):
        with Process("examples.board:app", "--app-dir", str(ROOT), "--port", "0", cwd=tmp_path, env=env) as process:
            url = "http://{}:{}/api/messages".format(*process.address)
            assert httpx.post(url, json={"author": "a", "text": "b"}, trust_env=False).json()["id"] == expected
            process.send(signal.SIGINT)
            assert process.wait() == 0


def browser(url: str, folder: Path, *arguments: str) -> bytes:
    assert BROWSER is not None
    line = [BROWSER, *FIXED, f"--user-data-dir={folder / 'profile'}", *arguments, url]
    env = {**os.environ, "HOME": str(folder), "LD_PRELOAD": ""}
    return subprocess.run(line, env=env, capture_output=True, check=True, timeout=90).stdout


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium here")
def test_a_browser_shows_it(server: Server, tmp_path: Path) -> None:
    picture = tmp_path / "board.png"
    browser(server.url, tmp_path, f"--screenshot={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1280, 900)
    assert picture.stat().st_size > 30000, "a blank page is smaller"


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium here")
def test_a_browser_runs_the_live_page(server: Server, client: httpx.Client, tmp_path: Path) -> None:
    post(client, "Zoë", "as the browser finds it")
    page = browser(f"{server.url}/live", tmp_path, "--dump-dom", "--virtual-time-budget=2000").decode()
    assert "New messages appear here by themselves." in page, "its script runs under the page's policy"
    assert "as the browser finds it" in page
