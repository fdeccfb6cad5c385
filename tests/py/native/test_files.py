"""Files as answers: validators, conditions, ranges; and folders that are answered without Python."""

import gzip
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve
from support import client as strict
from support.cores import Made, Response

from velocem._core import FileBody, FileParts, Static

TEXT = bytes(range(256)) * 40
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
PAGE = {"Accept": "text/html,*/*"}

Fields = dict[str, str]
Answer = tuple[int, Fields, bytes]
Ask = Callable[..., Answer]
NONE: Fields = {}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to be served, with things beside it that are not."""
    folder = tmp_path / "root"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    files = {
        "data.bin": TEXT,
        "a.txt": b"hello",
        "a.txt.gz": gzip.compress(b"hello"),
        "a.txt.br": b"not really br",
        "app.JS": b"js",
        "index.html": b"<p>index",
        "deep/index.html": b"<p>deep",
        "empty": b"",
        ".env": b"hidden",
        "odd name é": b"odd",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (784111777, 784111777))
    (folder / "out").symlink_to("../secret")
    (folder / "in").symlink_to("a.txt")
    return folder


def whole(body: Any) -> bytes:
    """What FileParts stand for."""
    if not isinstance(body, FileParts):
        assert isinstance(body, bytes)
        return body
    pieces = [part if isinstance(part, bytes) else os.pread(body.fileno(), part[1], part[0]) for part in body]
    assert sum(map(len, pieces)) in {body.length, 0}
    return b"".join(pieces)


@pytest.fixture(params=["called", "served"])
def asking(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Callable[[Made], Ask]]:
    """By Core.call, and by our server."""
    with ExitStack() as stack:

        def called(made: Made) -> Ask:
            core = made.core()

            def ask(target: str, headers: Fields = NONE, method: str = "GET") -> Answer:
                status, fields, body = made.ask(method, target, headers, core=core)
                return status, fields, whole(body)

            return ask

        def served(made: Made) -> Ask:
            client = stack.enter_context(strict.Client(serve(made)))  # type: ignore[arg-type]

            def ask(target: str, headers: Fields = NONE, method: str = "GET") -> Answer:
                fields = [f"{name}: {value}" for name, value in headers.items()]
                response = client.ask(strict.request(method, target, *fields), head=method == "HEAD")
                return response.status, {name.lower(): value for name, value in response.fields}, response.body

            return ask

        yield called if request.param == "called" else served


@pytest.fixture
def ask(root: Path, asking: Callable[[Made], Ask]) -> Ask:
    """A file that a handler answers with."""
    made = Made()
    kind = [(b"content-type", b"application/x-data")]
    made.add("GET", "/", lambda: Response(200, kind, FileBody(root / "data.bin")))
    made.add("GET", "/own", lambda: Response(200, [(b"etag", b'"mine"')], FileBody(str(root / "a.txt"))))
    made.add("GET", "/404", lambda: Response(404, [], FileBody(os.fsencode(root / "a.txt"))))
    return asking(made)


def test_a_file_is_sent_whole_with_what_it_is_known_by(ask: Ask) -> None:
    status, headers, body = ask("/")
    assert (status, body) == (200, TEXT)
    assert headers["content-type"] == "application/x-data"
    assert headers["last-modified"] == DATE
    assert headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]+-2800"', headers["etag"])
    assert ask("/own")[1]["etag"] == '"mine"'
    assert ask("/404")[::2] == (404, b"hello")


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=100-199", 100, 199), ("bytes=-5", 10235, 10239), ("bytes=10000-", 10000, 10239)],
)
def test_a_range_is_a_part(ask: Ask, value: str, first: int, last: int) -> None:
    status, headers, body = ask("/", {"Range": value})
    assert (status, body) == (206, TEXT[first : last + 1])
    assert headers["content-range"] == f"bytes {first}-{last}/10240"
    assert headers["content-type"] == "application/x-data"


def test_several_ranges_are_parts_with_their_own_fields(ask: Ask) -> None:
    status, headers, body = ask("/", {"Range": "bytes=0-4,100-104,-1"})
    assert status == 206
    assert "content-range" not in headers
    found = re.fullmatch(r"multipart/byteranges; boundary=(\S+)", headers["content-type"])
    assert found
    pieces = body.split(b"\r\n--" + found[1].encode())
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    parts = [piece.split(b"\r\n\r\n", 1) for piece in pieces[1:-1]]
    assert [data for _, data in parts] == [TEXT[0:5], TEXT[100:105], TEXT[-1:]]
    assert parts[1][0] == b"\r\nContent-Type: application/x-data\r\nContent-Range: bytes 100-104/10240"


def test_a_range_of_nothing_is_416(ask: Ask) -> None:
    status, headers, body = ask("/", {"Range": "bytes=10240-"})
    assert (status, headers["content-range"]) == (416, "bytes */10240")
    assert b'"status":416' in body
    assert headers["content-type"] == "application/problem+json"


def test_a_range_that_is_none_is_ignored(ask: Ask) -> None:
    assert ask("/", {"Range": "bytes=x"})[::2] == (200, TEXT)
    assert ask("/404", {"Range": "bytes=0-1"})[::2] == (404, b"hello")


def test_conditions_are_kept(ask: Ask) -> None:
    etag = ask("/")[1]["etag"]
    for field, value, status in (
        ("If-None-Match", etag, 304),
        ("If-None-Match", f"W/{etag}", 304),
        ("If-None-Match", '"x"', 200),
        ("If-Match", '"x"', 412),
        ("If-Match", etag, 200),
        ("If-Modified-Since", DATE, 304),
        ("If-Unmodified-Since", "Sat, 05 Nov 1994 08:49:37 GMT", 412),
        ("If-Unmodified-Since", LATER, 200),
    ):
        got, headers, body = ask("/", {field: value})
        assert got == status, field
        assert body == TEXT if status == 200 else b"x" not in body[:1]
        assert status == 412 or headers["etag"] == etag
        assert status != 304 or body == b""


def test_if_range_decides_whether_the_range_counts(ask: Ask) -> None:
    etag = ask("/")[1]["etag"]
    for value, status in ((etag, 206), ('"x"', 200), (DATE, 206), (LATER, 200), (f"W/{etag}", 200)):
        assert ask("/", {"Range": "bytes=0-9", "If-Range": value})[0] == status, value


def test_head_is_get_without_its_body(ask: Ask) -> None:
    status, headers, _ = ask("/", {"Range": "bytes=0-9"}, "HEAD")
    assert status == 200
    assert headers["last-modified"] == DATE
    assert "content-range" not in headers


def test_a_file_that_is_none_is_the_handlers_error(tmp_path: Path) -> None:
    for path, error in ((tmp_path / "none", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error):
            FileBody(path)
    with pytest.raises(TypeError):
        FileBody(3)  # type: ignore[arg-type]


def test_a_file_knows_its_size(root: Path) -> None:
    body = FileBody(root / "data.bin")
    assert (body.size, body.mtime_ns, os.fstat(body.fileno()).st_size) == (10240, 784111777 * 10**9, 10240)


# --- folders

TXT = b"text/plain; charset=utf-8"


def folder(root: Path, **options: Any) -> Made:
    made = Made()
    types = {
        "txt": b"text/plain; charset=utf-8",
        "html": b"text/html",
        "js": b"text/javascript",
        "": b"application/x-none",
    }
    made.router.mount("/s", Static(root, **{"types": types, **options}))
    made.add("GET", "/s/handled", lambda: "handled")
    return made


def test_files_of_a_folder_are_sent_with_their_types(root: Path, asking: Callable[[Made], Ask]) -> None:
    ask = asking(folder(root, cache=b"max-age=60"))
    for name, kind, data in (
        ("a.txt", "text/plain; charset=utf-8", b"hello"),
        ("app.JS", "text/javascript", b"js"),
        ("data.bin", "application/octet-stream", TEXT),
        ("empty", "application/x-none", b""),
        ("odd%20name%20%C3%A9", "application/x-none", b"odd"),
        ("in", "application/x-none", b"hello"),
        ("deep/index.html", "text/html", b"<p>deep"),
    ):
        status, headers, body = ask(f"/s/{name}")
        assert (status, headers["content-type"], body) == (200, kind, data), name
        assert headers["cache-control"] == "max-age=60"
        assert "vary" not in headers
    assert ask("/s/handled")[2] == b"handled"
    assert ask("/s/data.bin", {"Range": "bytes=1-2"})[::2] == (206, TEXT[1:3])
    assert ask("/s/a.txt", {"If-Modified-Since": DATE})[0] == 304


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/deep/../../secret",
        "/out",
        "/.env",
        "/%2eenv",
        "/a.txt/",
        "/a.txt%00",
        "//a.txt",
        "/deep//index.html",
        "/deep/./index.html",
        "/deep%5cindex.html",
        "/%zz",
        "/" + "a/" * 3000,
        "",
        "/",
        "/deep",
        "/deep/",
    ],
)
def test_what_is_not_there_or_is_not_to_be_found_is_404(root: Path, path: str) -> None:
    status, headers, _ = folder(root).ask("GET", f"/s{path}")
    assert (status in {404, 400}, headers["content-type"]) == (True, "application/problem+json")


def test_links_and_hidden_files_are_for_who_asks_for_them(root: Path) -> None:
    made = folder(root, links=True, dotfiles=True)
    assert whole(made.ask("GET", "/s/out")[2]) == b"secret"
    assert whole(made.ask("GET", "/s/.env")[2]) == b"hidden"
    assert made.ask("GET", "/s/../secret")[0] == 404


def test_other_methods_are_not_a_folders(root: Path, asking: Callable[[Made], Ask]) -> None:
    ask = asking(folder(root))
    assert ask("/s/a.txt", method="DELETE")[0] == 405
    assert ask("/s/a.txt", method="DELETE")[1]["allow"] == "GET, HEAD, OPTIONS"
    assert ask("/s/a.txt", method="OPTIONS")[0] == 204
    assert ask("/s/a.txt", method="HEAD")[0] == 200


def test_a_twin_is_given_to_who_takes_it(root: Path, asking: Callable[[Made], Ask]) -> None:
    ask = asking(folder(root, precompressed=True))
    for accept, coding, data in (
        ("", None, b"hello"),
        ("gzip", "gzip", None),
        ("gzip, br", "br", b"not really br"),
        ("br;q=0, gzip", "gzip", None),
        ("zstd", None, b"hello"),
    ):
        status, headers, body = ask("/s/a.txt", {"Accept-Encoding": accept} if accept else {})
        assert (status, headers.get("content-encoding"), headers["vary"]) == (200, coding, "Accept-Encoding"), accept
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert (body if data else gzip.decompress(body)) == (data or b"hello")
    assert ask("/s/data.bin", {"Accept-Encoding": "gzip"})[2] == TEXT
    assert ask("/s/a.txt")[1]["etag"] != ask("/s/a.txt", {"Accept-Encoding": "gzip"})[1]["etag"]


def test_an_index_stands_for_its_folder(root: Path, asking: Callable[[Made], Ask]) -> None:
    ask = asking(folder(root, index="index.html"))
    assert ask("/s/")[2] == b"<p>index"
    assert ask("/s/deep/")[2] == b"<p>deep"
    status, headers, _ = ask("/s/deep?x=1")
    assert (status, headers["location"]) == (308, "./deep/?x=1")


def test_an_application_of_one_page_answers_for_its_addresses(root: Path, asking: Callable[[Made], Ask]) -> None:
    ask = asking(folder(root, spa="index.html", cache=b"max-age=60"))
    for path in ("/s/users/42", "/s/", "/s/deep"):
        status, headers, body = ask(path, PAGE)
        assert (status, body, headers["cache-control"]) == (200, b"<p>index", "no-cache"), path
    assert ask("/s/users/42")[0] == 404
    assert ask("/s/none.js", PAGE)[0] == 404
    assert ask("/s/a.txt", PAGE)[2] == b"hello"


def test_a_file_that_changes_is_noticed(root: Path, asking: Callable[[Made], Ask]) -> None:
    ask = asking(folder(root))
    before = ask("/s/a.txt")[1]["etag"]
    (root / "a.txt").write_bytes(b"changed")
    assert ask("/s/a.txt")[2] == b"changed"
    assert ask("/s/a.txt")[1]["etag"] != before
    (root / "a.txt").unlink()
    assert ask("/s/a.txt")[0] == 404


def test_a_folder_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Static(root / "none")
    with pytest.raises(NotADirectoryError):
        Static(root / "a.txt")
    for options in ({"index": "../x"}, {"spa": "a/../b"}, {"cache": b"a\nb"}):
        with pytest.raises(ValueError, match=r"below|control"):
            Static(root, **options)
    with pytest.raises(TypeError):
        Static(root, types={"txt": "text/plain"})  # type: ignore[dict-item]


def test_large_files_go_out_whole(root: Path, asking: Callable[[Made], Ask]) -> None:
    with (root / "large").open("wb") as file:
        file.truncate(20_000_000)
        file.seek(10_000_000)
        file.write(b"x")
    ask = asking(folder(root))
    body = ask("/s/large")[2]
    assert (len(body), body[10_000_000]) == (20_000_000, ord("x"))
    assert ask("/s/large", {"Range": "bytes=9999999-10000001"})[2] == b"\0x\0"
