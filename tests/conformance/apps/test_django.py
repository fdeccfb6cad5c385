"""A Django project with its admin, of tests/data/djangosite, end to end."""

import hashlib
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import django
import httpx
import pytest
from django.core.management import call_command
from django.core.signals import request_finished
from support.client import Client, request
from support.curl import curl
from support.deployed import Deployed

from velocem import Server

Running = Server | Deployed
Open = Callable[[Running], httpx.Client]
Connect = Callable[[Running], HTTPConnection]

SITE = Path(__file__).resolve().parents[2] / "data" / "djangosite"
COVER = random.Random(2).randbytes(5 << 20)
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where the project is, migrated and with a superuser."""
    sys.path.insert(0, str(SITE))
    os.environ["MYSITE_DATA"] = str(tmp_path_factory.mktemp("mysite"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    os.environ["DJANGO_SUPERUSER_PASSWORD"] = "secret"
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("createsuperuser", interactive=False, username="root", email="root@localhost", verbosity=0)
    django.db.connections.close_all()
    return {name: os.environ[name] for name in ("MYSITE_DATA", "DJANGO_SETTINGS_MODULE")}


@pytest.fixture(scope="module", params=["loop", "threads", "deployed"])
def server(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Running]:
    """In this process, where its signals can be listened to, or as it is deployed."""
    if request.param == "deployed":
        with Deployed("mysite.wsgi:application", cwd=SITE, env=environment) as process:
            yield process
        return
    with Server("mysite.wsgi:application", threads=8 if request.param == "threads" else 0) as running:
        yield running


@pytest.fixture
def client(server: Running, browse: Open) -> httpx.Client:
    return browse(server)


@pytest.fixture
def admin(client: httpx.Client) -> httpx.Client:
    """Logged in."""
    response = submit(client, "/admin/login/?next=/admin/", username="root", password="secret")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    return client


@pytest.fixture
def finished(server: Running) -> Iterator[list[float]]:
    """When request_finished was sent: Django does it in close() of the response."""
    if isinstance(server, Deployed):
        pytest.skip("signals are heard in the process that sends them")
    times: list[float] = []

    def note(**_: Any) -> None:
        times.append(time.monotonic())

    request_finished.connect(note)
    yield times
    request_finished.disconnect(note)


def submit(client: httpx.Client, path: str, files: Any = None, **fields: str) -> httpx.Response:
    """Fill a form in as a browser does: with the token of its page."""
    found = TOKEN.search(client.get(path).text)
    assert found
    return client.post(path, data={**fields, "csrfmiddlewaretoken": found[1]}, files=files)


def add(admin: httpx.Client, title: str, cover: bytes = b"") -> int:
    """A book by the admin's form; its number."""
    files = {"cover": ("cover.bin", cover)} if cover else None
    added = submit(admin, "/admin/library/book/add/", files, title=title, author="Lem", published="1961-06-01")
    assert (added.status_code, added.headers["Location"]) == (302, "/admin/library/book/")
    # Of the places that name it, the message of success comes first.
    found = re.search(r'href="/admin/library/book/(\d+)/change/"', admin.get("/admin/").text)
    assert found
    return int(found[1])


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# The admin.


def test_login_is_asked_for_and_needs_the_token(client: httpx.Client) -> None:
    assert client.get("/admin/").headers["Location"] == "/admin/login/?next=/admin/"
    page = client.get("/admin/login/")
    assert "csrftoken" in page.cookies
    forged = client.post("/admin/login/", data={"username": "root", "password": "secret"})
    assert forged.status_code == 403
    wrong = submit(client, "/admin/login/", username="root", password="wrong")
    assert wrong.status_code == 200
    assert "Please enter the correct username" in wrong.text


def test_a_book_from_adding_to_deleting(admin: httpx.Client) -> None:
    number = add(admin, "Solaris", b"a small cover")
    page = f"/admin/library/book/{number}"
    listed = admin.get("/admin/library/book/").text
    assert ">Solaris</a>" in listed
    assert "June 1, 1961" in listed
    changed = submit(admin, f"{page}/change/", title="Das hohe Schloß", author="Lem", published="1966-01-01")
    assert changed.status_code == 302
    assert ">Das hohe Schloß</a>" in admin.get("/admin/library/book/?q=hohe&author=Lem").text
    assert "0 results" in admin.get("/admin/library/book/?q=nothing").text
    confirmed = submit(admin, f"{page}/delete/", post="yes")
    assert confirmed.headers["Location"] == "/admin/library/book/"
    assert "was deleted successfully" in admin.get("/admin/").text
    assert admin.get(f"{page}/change/").status_code == 302


def test_an_incomplete_form_is_shown_again(admin: httpx.Client) -> None:
    response = submit(admin, "/admin/library/book/add/", title="", author="", published="yesterday")
    assert response.status_code == 200
    assert response.text.count("This field is required.") == 2
    assert "Enter a valid date." in response.text


def test_logout(admin: httpx.Client) -> None:
    token = TOKEN.search(admin.get("/admin/").text)
    assert token
    assert admin.post("/admin/logout/", data={"csrfmiddlewaretoken": token[1]}).status_code == 200
    assert admin.get("/admin/").status_code == 302


def test_the_admin_takes_one_connection(server: Running, admin: httpx.Client) -> None:
    before = server.stats()["accepted"]
    for _ in range(10):
        assert admin.get("/admin/library/book/").status_code == 200
    assert server.stats()["accepted"] == before


def test_static_files_of_the_admin(client: httpx.Client) -> None:
    source = Path(django.__file__).parent / "contrib" / "admin" / "static" / "admin"
    for name, kind in [("css/base.css", "text/css"), ("js/theme.js", "text/javascript"), ("img/LICENSE", "")]:
        response = client.get(f"/static/admin/{name}")
        assert response.status_code == 200
        assert response.content == (source / name).read_bytes()
        assert response.headers["Content-Type"].startswith(kind)
        again = client.get(f"/static/admin/{name}", headers={"If-Modified-Since": response.headers["Last-Modified"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/admin/css/none.css").status_code == 404


# Files.


def test_a_file_response_is_sent_without_being_read_in_python(
    server: Running, admin: httpx.Client, tmp_path: Path
) -> None:
    from library import views

    number = add(admin, "Fiasko", COVER)
    response = admin.get(f"/cover/{number}?save")
    assert response.content == COVER
    assert response.headers["Content-Length"] == str(len(COVER))
    assert response.headers["Content-Disposition"].startswith('attachment; filename="cover')
    curl("-o", str(tmp_path / "cover"), f"{server.url}/cover/{number}")
    assert (tmp_path / "cover").read_bytes() == COVER
    if isinstance(server, Server):
        assert [file.reads for file in views.OPENED[-2:]] == [0, 0]
    eventually(lambda: all(file.closed for file in views.OPENED))


def test_a_file_is_closed_after_head_and_after_a_client_that_left(server: Running, admin: httpx.Client) -> None:
    from library import views

    if isinstance(server, Deployed):
        pytest.skip("its files are another process's")
    number = add(admin, "Eden", COVER)
    head = admin.head(f"/cover/{number}")
    assert head.headers["Content-Length"] == str(len(COVER))
    with Client(server, receive_buffer=4096) as slow:
        slow.send(request("GET", f"/cover/{number}"))
        assert slow.read_status()[0] == 200
        # Most of it is still to be sent; a thread is done with it, as the loop has a descriptor of its own.
        if server.config.threads:
            eventually(lambda: views.OPENED[-1].closed)
        assert views.OPENED[-1].closed is bool(server.config.threads)
        slow.reset()
    eventually(lambda: all(file.closed for file in views.OPENED))


def test_a_slow_reader_gets_the_whole_file(server: Running, admin: httpx.Client, connect: Connect) -> None:
    number = add(admin, "Astronauci", COVER)
    slow = connect(server)
    slow.request("GET", f"/cover/{number}")
    response = slow.getresponse()
    parts = []
    while part := response.read(1 << 19):
        parts.append(part)
        assert admin.get("/admin/").status_code == 200, "others are served between its reads"
    assert b"".join(parts) == COVER


# Streams, uploads, errors.


def test_a_streaming_response(admin: httpx.Client) -> None:
    numbers = [add(admin, f"Stream {count}") for count in range(3)]
    response = admin.get("/books.csv")
    assert response.headers["Transfer-Encoding"] == "chunked"
    lines = response.text.splitlines()
    assert {f"{number},Stream {count},Lem" for count, number in enumerate(numbers)} <= set(lines)


def test_an_upload_in_a_form_and_as_a_body(client: httpx.Client) -> None:
    small, large = b"small", COVER
    response = client.post("/upload", data={"note": "naïve"}, files={"a": ("a", small), "b": ("b", large)})
    expected = {
        "a": ["a", len(small), hashlib.sha256(small).hexdigest()],
        "b": ["b", len(large), hashlib.sha256(large).hexdigest()],
    }
    assert response.json()["files"] == expected
    assert response.json()["fields"] == {"note": "naïve"}
    body = client.post("/upload", content=b"plain body", headers={"Content-Type": "text/plain"})
    assert body.json()["body"] == hashlib.sha256(b"plain body").hexdigest()


def test_a_chunked_upload_has_a_length_for_django(server: Running, client: httpx.Client) -> None:
    """Django reads only as much as CONTENT_LENGTH says (RFC 3875 4.1.2: the length after decoding)."""
    blocks = [COVER[at : at + 100000] for at in range(0, 2000000, 100000)]
    response = client.post("/upload", content=iter(blocks), headers={"Content-Type": "text/plain"})
    assert response.json()["body"] == hashlib.sha256(COVER[:2000000]).hexdigest()
    form = ["-H", "Transfer-Encoding: chunked", "-F", "file=@-;filename=f"]
    assert hashlib.sha256(b"by curl").hexdigest().encode() in curl(*form, f"{server.url}/upload", stdin=b"by curl").body


@pytest.mark.parametrize(
    ("path", "status"), [("/broken", 500), ("/none", 404), ("/cover/999999", 404), ("/admin/none/", 302)]
)
def test_errors(client: httpx.Client, path: str, status: int) -> None:
    assert client.get(path).status_code == status
    assert client.get("/books.csv").status_code == 200


def test_a_foreign_host_is_refused_by_django(client: httpx.Client) -> None:
    assert client.get("/books.csv", headers={"Host": "elsewhere"}).status_code == 400


# request_finished.


def test_each_request_finishes_once(admin: httpx.Client, finished: list[float]) -> None:
    number = add(admin, "Niezwyciężony", COVER)
    eventually(lambda: len(finished) == 3)
    cases = [
        ("GET", "/admin/", 200),
        ("GET", "/none", 404),
        ("GET", "/broken", 500),
        ("GET", "/books.csv", 200),
        ("HEAD", "/books.csv", 200),
        ("GET", f"/cover/{number}", 200),
        ("HEAD", f"/cover/{number}", 200),
        ("GET", "/static/admin/css/base.css", 200),
        ("POST", "/upload", 200),
    ]
    before = 0
    for method, path, status in cases:
        before = len(finished)
        assert admin.request(method, path).status_code == status
        eventually(lambda before=before: len(finished) > before)  # type: ignore[misc]
        # The next request of the connection is served after the end of this one.
        admin.get("/none")
        eventually(lambda before=before: len(finished) == before + 2)  # type: ignore[misc]
    time.sleep(0.1)
    assert len(finished) == before + 2


def test_a_stream_that_the_client_leaves_finishes_once(
    server: Running, client: httpx.Client, browse: Open, finished: list[float]
) -> None:
    with client.stream("GET", "/numbers") as response:
        blocks = response.iter_raw()  # kept: httpx closes the connection with it
        assert next(blocks).startswith(b"000000000\n")
        assert finished == []
    client.close()
    eventually(lambda: len(finished) == 1)
    assert browse(server).get("/none").status_code == 404
    eventually(lambda: len(finished) == 2)
