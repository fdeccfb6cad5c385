"""The Flask blog of tests/data/flaskr end to end, by httpx, http.client and curl."""

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from wsgiref.validate import validator

import httpx
import pytest
from flaskr import create_app
from support.curl import curl
from support.deployed import Deployed

from velocem import Server

Running = Server | Deployed
Open = Callable[[Running], httpx.Client]
Connect = Callable[[Running], HTTPConnection]

DATA = Path(__file__).resolve().parents[2] / "data"

# Above the memory that one body may take, so that temporary files are in play too.
LARGE = random.Random(1).randbytes(3 << 20)


@pytest.fixture(scope="module", params=["plain", "validated", "threads", "deployed"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As it is, under wsgiref's validator, which fails for any slip of either side, in threads, and as deployed."""
    data = str(tmp_path_factory.mktemp("flaskr"))
    if request.param == "deployed":
        with Deployed(f"flaskr:create_app({data!r}, SECRET_KEY='known to both')", cwd=DATA) as process:
            yield process
        return
    app = create_app(data)
    threads = 8 if request.param == "threads" else 0
    with Server(validator(app) if request.param == "validated" else app, threads=threads) as running:
        yield running


@pytest.fixture
def client(server: Running, browse: Open) -> httpx.Client:
    return browse(server)


@pytest.fixture
def connection(server: Running, connect: Connect) -> HTTPConnection:
    return connect(server)


def log_in(client: httpx.Client, name: str) -> None:
    """As a new account, unless it is there."""
    client.post("/auth/register", data={"name": name, "password": "secret"})
    response = client.post("/auth/login", data={"name": name, "password": "secret"})
    assert (response.status_code, response.headers["Location"]) == (302, "/")


def write(client: httpx.Client, title: str, body: str = "") -> str:
    response = client.post("/create", data={"title": title, "body": body})
    assert response.status_code == 302
    return response.headers["Location"]


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Pages, forms, sessions.


def test_an_account_and_a_post_from_register_to_logout(client: httpx.Client) -> None:
    assert "Nothing has been written yet" in client.get("/").text
    response = client.post("/auth/register", data={"name": "ada", "password": "secret"})
    assert response.headers["Location"] == "/auth/login"
    assert "Your account is ready" in client.get("/auth/login").text
    log_in(client, "ada")
    page = write(client, "Grüße & <b>", "first\r\n\u96ea")
    assert "<p>first\r\n\u96ea</p>" in client.get(page).text
    assert "Grüße &amp; &lt;b&gt;" in client.get("/").text
    changed = client.post(f"{page}/update", data={"title": "Changed", "body": "second"})
    assert changed.headers["Location"] == page
    assert "<h1>Changed</h1>" in client.get(page).text
    client.post(f"{page}/delete")
    assert "The post is gone." in client.get("/").text
    assert "The post is gone." not in client.get("/").text, "a flashed message is shown once"
    assert client.get(page).status_code == 404
    client.post("/auth/logout")
    assert client.get("/create").headers["Location"] == "/auth/login?next=/create"


def test_all_of_it_takes_one_connection(server: Running, client: httpx.Client) -> None:
    before = server.stats()["accepted"]
    log_in(client, "one")
    for number in range(20):
        client.get(write(client, f"Post {number}"))
    assert server.stats()["accepted"] == before + 1


def test_wrong_credentials_and_a_taken_name_are_told(client: httpx.Client) -> None:
    log_in(client, "eve")
    taken = client.post("/auth/register", data={"name": "eve", "password": "other"})
    assert "The name eve is taken." in taken.text
    wrong = client.post("/auth/login", data={"name": "eve", "password": "other"})
    assert "Name and password do not match." in wrong.text


def test_login_returns_to_the_page_that_asked_for_it(client: httpx.Client) -> None:
    log_in(client, "bob")
    client.post("/auth/logout")
    asked = client.get("/create").headers["Location"]
    response = client.post(asked, data={"name": "bob", "password": "secret"})
    assert response.headers["Location"] == "/create"
    away = client.post("/auth/login?next=//elsewhere", data={"name": "bob", "password": "secret"})
    assert away.headers["Location"] == "/"


def test_accounts_do_not_mix_on_two_connections(server: Running, browse: Open) -> None:
    mine, yours = browse(server), browse(server)
    log_in(mine, "mine")
    log_in(yours, "yours")
    page = write(mine, "Mine")
    for client, status in [(mine, 200), (yours, 403)] * 3:
        assert client.get(f"{page}/update").status_code == status
    assert "This post is not yours." in yours.get(f"{page}/update").text


def test_the_session_cookie_is_set_with_its_attributes(client: httpx.Client) -> None:
    log_in(client, "cookie")
    response = client.post("/auth/login", data={"name": "cookie", "password": "secret"})
    (cookie,) = response.headers.get_list("Set-Cookie")
    assert cookie.startswith("session=")
    assert cookie.endswith("; HttpOnly; Path=/")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/999999", 404, "There is no post 999999."),
        ("GET", "/no/such/page", 404, "<h1>404 Not Found</h1>"),
        ("DELETE", "/auth/login", 405, "<h1>405 Method Not Allowed</h1>"),
        ("PUT", "/files/..%2fx", 404, "<h1>404 Not Found</h1>"),
        ("PUT", "/files/.hidden", 400, "This is no name for a file."),
        ("GET", "/broken", 500, "<h1>500 Internal Server Error</h1>"),
        ("POST", "/auth/login", 400, "<h1>400 Bad Request</h1>"),
    ],
)
def test_error_pages(client: httpx.Client, method: str, path: str, status: int, text: str) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert text in response.text
    assert client.get("/").status_code == 200


def test_405_says_what_is_allowed(client: httpx.Client) -> None:
    allowed = client.delete("/auth/login").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    options = client.options("/auth/logout")
    assert set(options.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


# Files.


def test_a_form_with_several_files(client: httpx.Client) -> None:
    sent = {"one.bin": LARGE, "two.txt": b"two\r\n", "empty.txt": b""}
    files = [("file", (name, body)) for name, body in sent.items()]
    response = client.post("/files/", data={"note": "naïve"}, files=files)
    assert response.headers["Location"] == "/files/"
    assert client.get("/files/").text.count(": naïve</p>") == 3
    for name, body in sent.items():
        assert client.get(f"/files/{name}").content == body


def test_a_form_above_the_limit_of_the_application(client: httpx.Client) -> None:
    response = client.post("/files/", files={"file": ("big", b"x" * (5 << 20))})
    assert response.status_code == 413
    assert "<h1>413 Request Entity Too Large</h1>" in response.text
    assert client.get("/").status_code == 200


def test_a_download_in_parts_and_by_condition(client: httpx.Client) -> None:
    client.put("/files/parts.bin", content=LARGE)
    whole = client.get("/files/parts.bin")
    assert (whole.content, whole.headers["Content-Length"]) == (LARGE, str(len(LARGE)))
    part = client.get("/files/parts.bin", headers={"Range": "bytes=1000000-1999999"})
    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes 1000000-1999999/{len(LARGE)}"
    assert part.content == LARGE[1000000:2000000]
    assert client.get("/files/parts.bin", headers={"Range": "bytes=-5"}).content == LARGE[-5:]
    beyond = client.get("/files/parts.bin", headers={"Range": f"bytes={len(LARGE)}-"})
    assert beyond.status_code == 416
    same = client.get("/files/parts.bin", headers={"If-None-Match": whole.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    other = client.get("/files/parts.bin", headers={"Range": "bytes=0-4", "If-Range": '"other"'})
    assert (other.status_code, len(other.content)) == (200, len(LARGE))


def test_an_attachment_keeps_its_name(client: httpx.Client) -> None:
    client.put("/files/notes.txt", content=b"notes")
    response = client.get("/files/notes.txt?save")
    assert response.headers["Content-Disposition"] == "attachment; filename=notes.txt"


def test_static_files(client: httpx.Client) -> None:
    response = client.get("/static/style.css")
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.text.startswith("/* Looks of the blog. */")
    again = client.get("/static/style.css", headers={"If-Modified-Since": response.headers["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")


# Streams.


def test_a_streamed_line_arrives_before_the_next_is_written(client: httpx.Client) -> None:
    with client.stream("GET", "/clock?count=4") as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        seen = [(time.monotonic(), float(line)) for line in response.iter_lines()]
    assert len(seen) == 4
    for (arrived, _), (_, next_written) in pairwise(seen):
        assert arrived < next_written


def test_rows_from_an_open_cursor(client: httpx.Client) -> None:
    log_in(client, "csv")
    for number in range(50):
        write(client, f"Row {number}", "x" * 5000)
    lines = client.get("/posts.csv").text.splitlines()
    assert sum("Row " in line for line in lines) == 50


def test_streams_of_slow_readers_interleave(server: Running, browse: Open) -> None:
    """Each is suspended at its own row, in its own context and with its own cursor."""
    writer = browse(server)
    log_in(writer, "slow")
    for number in range(200):
        write(writer, f"Slow {number}", "y" * 50000)
    with browse(server).stream("GET", "/posts.csv") as first, browse(server).stream("GET", "/posts.csv") as second:
        readers = [first.iter_raw(65536), second.iter_raw(65536)]
        bodies = [b"", b""]
        for _ in range(20):
            for place, reader in enumerate(readers):
                bodies[place] += next(reader)
        assert writer.get("/").status_code == 200, "a third client is served meanwhile"
        for place, reader in enumerate(readers):
            bodies[place] += b"".join(reader)
    assert bodies[0] == bodies[1]
    assert bodies[0].count(b"Slow ") == 200


def test_a_client_that_leaves_ends_the_generator(server: Running, browse: Open) -> None:
    if isinstance(server, Deployed):
        pytest.skip("each worker counts its own")
    other = browse(server)
    before = other.get("/closings").json()["closings"]
    client = browse(server)
    with client.stream("GET", "/endless") as response:
        assert next(response.iter_raw()).startswith(b"000000000\n")
    client.close()
    eventually(lambda: other.get("/closings").json()["closings"] == before + 1)


def test_a_chunked_request_is_echoed_by_lines(client: httpx.Client) -> None:
    lines = [b"line %d\n" % number for number in range(5000)]
    response = client.post("/echo", content=iter(lines))
    assert response.request.headers["Transfer-Encoding"] == "chunked"
    assert response.content == b"".join(lines)


# http.client.


def test_one_connection_through_all_kinds_of_bodies(server: Running, connection: HTTPConnection) -> None:
    before = server.stats()["accepted"]
    etag = ""
    for method, path, status, size in [
        ("PUT", "/files/kinds.txt", 201, None),
        ("HEAD", "/files/kinds.txt", 200, 0),
        ("GET", "/files/kinds.txt", 200, 5),
        ("GET", "/files/kinds.txt", 304, 0),
        ("DELETE", "/files/kinds.txt", 204, 0),
        ("HEAD", "/files/kinds.txt", 404, 0),
        ("GET", "/clock?count=2", 200, None),
        ("HEAD", "/clock?count=2", 200, 0),
        ("GET", "/", 200, None),
    ]:
        body = b"kinds" if method == "PUT" else None
        connection.request(method, path, body, {"If-None-Match": etag} if status == 304 else {})
        response = connection.getresponse()
        received = response.read()
        assert response.status == status, (method, path, received)
        assert size is None or len(received) == size
        etag = response.getheader("ETag") or etag
    assert server.stats()["accepted"] == before + 1


def test_http_client_sends_chunks(connection: HTTPConnection) -> None:
    blocks = [LARGE[at : at + 70000] for at in range(0, len(LARGE), 70000)]
    connection.request("PUT", "/files/chunks.bin", iter(blocks), encode_chunked=True)
    response = connection.getresponse()
    assert response.status in (200, 201)
    assert hashlib.sha256(LARGE).hexdigest().encode() in response.read()


def test_http_1_0_is_answered_and_closed(connection: HTTPConnection) -> None:
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
    connection.request("GET", "/clock?count=2")
    response = connection.getresponse()
    assert response.getheader("Transfer-Encoding") is None
    assert response.getheader("Connection") == "close"
    assert response.read().count(b"\n") == 2


# curl.


def test_curl_uploads_a_form(server: Running, tmp_path: Path) -> None:
    (tmp_path / "form.bin").write_bytes(LARGE)
    sent = curl("-F", "note=by curl", "-F", f"file=@{tmp_path}/form.bin", f"{server.url}/files/")
    assert (sent.status, sent.fields["location"]) == (302, "/files/")
    assert curl(f"{server.url}/files/form.bin").body == LARGE


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_curl_puts_with_a_length_and_in_chunks(server: Running, tmp_path: Path, source: str) -> None:
    """-T - has no length to declare, so it sends chunks."""
    (tmp_path / "put.bin").write_bytes(LARGE)
    name = str(tmp_path / "put.bin") if source == "file" else "-"
    put = curl("-T", name, f"{server.url}/files/put-{source}.bin", stdin=LARGE)
    assert put.status == 201
    assert hashlib.sha256(LARGE).hexdigest().encode() in put.body


def test_curl_waits_for_100_continue(server: Running) -> None:
    line = ["-T", "-", "-H", "Expect: 100-continue", "--expect100-timeout", "30", f"{server.url}/files/expect.bin"]
    started = time.monotonic()
    put = curl(*line, stdin=LARGE)
    assert put.history == [100]
    assert put.status in (200, 201)
    assert time.monotonic() - started < 15


def test_curl_head_range_and_resume(server: Running, tmp_path: Path) -> None:
    curl("-T", "-", f"{server.url}/files/range.bin", stdin=LARGE)
    head = curl("--head", f"{server.url}/files/range.bin")
    assert (head.status, head.fields["content-length"]) == (200, str(len(LARGE)))
    part = curl("--range", "10-19", f"{server.url}/files/range.bin")
    assert (part.status, part.body) == (206, LARGE[10:20])
    half = tmp_path / "half.bin"
    half.write_bytes(LARGE[:1000000])
    assert curl("-C", "-", "-o", str(half), f"{server.url}/files/range.bin").status == 206
    assert half.read_bytes() == LARGE


def test_curl_follows_redirects_with_a_cookie_jar(server: Running, tmp_path: Path) -> None:
    jar = ["-L", "-b", str(tmp_path / "jar"), "-c", str(tmp_path / "jar")]
    form = ["-d", "name=curl", "-d", "password=secret"]
    registered = curl(*jar, *form, f"{server.url}/auth/register")
    assert (registered.history, registered.status) == ([302], 200)
    logged_in = curl(*jar, *form, f"{server.url}/auth/login")
    assert logged_in.history == [302]
    assert b"<span>curl</span>" in logged_in.body


def test_curl_uses_one_connection_for_many_urls(server: Running) -> None:
    before = server.stats()["accepted"]
    got = curl(f"{server.url}/clock?count=1", f"{server.url}/", f"{server.url}/static/style.css", f"{server.url}/none")
    assert (got.history, got.status) == ([200, 200, 200], 404)
    assert server.stats()["accepted"] == before + 1


def test_curl_http_1_0(server: Running) -> None:
    got = curl("--http1.0", f"{server.url}/clock?count=2")
    assert got.body.count(b"\n") == 2
    assert "transfer-encoding" not in got.fields


# All at a time.


def test_many_clients_at_once(server: Running, browse: Open) -> None:
    """Every one gets its own answers."""
    errors: list[BaseException] = []

    def work(client: httpx.Client, number: int) -> None:
        try:
            for turn in range(15):
                text = f"{number} {turn}\n" * 100
                assert client.post("/echo", content=text).text == text
                name = f"/files/many-{number}.txt"
                assert client.put(name, content=text).json()["size"] == len(text)
                assert client.get(name).text == text
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(browse(server), number)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
