"""start_response: how it may be called, what it checks, when it says no."""

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.client import Client, Response, request
from support.names import shown
from support.wsgi import Serve, ask


def call_with(*args: Any, **kwargs: Any) -> Response:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(*args, **kwargs)
        return [b"body"]

    return ask(app)


def refused(caplog: pytest.LogCaptureFixture, *args: Any, **kwargs: Any) -> BaseException:
    """The exception that the application saw; the client got a 500 without a word of it."""
    caplog.clear()
    seen: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            start_response(*args, **kwargs)
        except BaseException as error:
            seen.append(error)
            raise
        return [b"body"]

    response = ask(app)
    assert response.status == 500
    assert response.body == b"500 Internal Server Error\n"
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == seen
    return seen[0]


# How it may be called.


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("201 Made", [("X-A", "1")]), {}),
        (("201 Made", [("X-A", "1")], None), {}),
        (("201 Made",), {"headers": [("X-A", "1")]}),
        (("201 Made",), {"response_headers": [("X-A", "1")]}),
        ((), {"status": "201 Made", "headers": [("X-A", "1")]}),
        ((), {"status": "201 Made", "response_headers": [("X-A", "1")], "exc_info": None}),
        ((), {"exc_info": None, "headers": [("X-A", "1")], "status": "201 Made"}),
    ],
)
def test_positional_and_keyword(args: Any, kwargs: Any) -> None:
    response = call_with(*args, **kwargs)
    assert (response.status, response.reason, response.get("X-A")) == (201, "Made", "1")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        (("200 OK",), {}),
        ((), {"status": "200 OK"}),
        ((), {"headers": []}),
        (("200 OK", [], None, None), {}),
        (("200 OK", []), {"status": "200 OK"}),
        (("200 OK", []), {"headers": []}),
        (("200 OK",), {"headers": [], "response_headers": []}),
        (("200 OK", [], None), {"exc_info": None}),
        (("200 OK", []), {"other": 1}),
    ],
)
def test_missing_double_and_unknown_arguments(args: Any, kwargs: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(refused(caplog, *args, **kwargs), TypeError)


def test_it_returns_write() -> None:
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(start_response("200 OK", []))
        return []

    ask(app)
    assert callable(seen[0])


def test_it_may_come_with_the_first_iteration() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("202 Later", [("X-A", "1")])
        yield b"a"
        yield b"b"

    response = ask(app)
    assert (response.status, response.get("X-A"), response.body) == (202, "1", b"ab")


def test_it_may_come_after_empty_blocks() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        yield b""
        yield b""
        start_response("202 Later", [])
        yield b"a"

    response = ask(app)
    assert (response.status, response.body) == (202, b"a")


def test_it_may_come_from_iter() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        class Result:
            def __iter__(self) -> Iterator[bytes]:
                start_response("202 Later", [])
                return iter([b"a"])

        return Result()

    assert ask(app).status == 202


def test_a_generator_that_never_yields_has_a_head() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("202 Later", [("X-A", "1")])
        yield from ()

    response = ask(app)
    assert (response.status, response.get("X-A"), response.get("Content-Length")) == (202, "1", "0")


@pytest.mark.parametrize("result", [[], [b""], [b"body"], b"body", (), iter([b"body"]), iter([])], ids=shown)
def test_without_it_the_answer_is_500(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = ask(lambda environ, start_response: result)
    assert response.status == 500
    assert "start_response" in str(caplog.records[0].exc_info)


def test_without_it_the_answer_is_500_also_behind_a_good_request(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of the head before may be left: neither status nor length."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/good":
            start_response("204 No Content", [("Content-Length", "3"), ("X-Left", "1")])
            return []
        return [b"four"] if environ["PATH_INFO"] == "/list" else iter([b"", b"four"])

    with Client(serve(app)) as client:
        for path in ("/list", "/iterator"):
            client.ask(request("GET", "/good"))
            response = client.ask(request("GET", path))
            assert response.status == 500
            assert response.get("X-Left") is None
    assert all("start_response" in str(record.exc_info) for record in caplog.records)


# A second call.


def test_a_second_call_is_refused() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-A", "first")])
        with pytest.raises(RuntimeError, match="twice"):
            start_response("201 Made", [("X-A", "second")])
        with pytest.raises(RuntimeError, match="twice"):
            start_response("201 Made", [("X-A", "second")], None)
        return [b"body"]

    response = ask(app)
    assert (response.status, response.get("X-A"), response.body) == (200, "first", b"body")


def test_a_second_call_that_is_not_caught_is_500(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return [b"body"]

    assert ask(app).status == 500


def test_exc_info_replaces_a_head_that_is_not_out() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-A", "first"), ("Content-Length", "1"), *[(f"X-{i}", "1") for i in range(30)]])
        try:
            raise ValueError
        except ValueError:
            start_response("503 Broken", [("X-B", "second")], sys.exc_info())
        return [b"the error page"]

    response = ask(app)
    assert (response.status, response.reason) == (503, "Broken")
    assert [name for name, _ in response.fields] == ["X-B", "Date", "Server", "Content-Length"]
    assert response.body == b"the error page"


@pytest.mark.parametrize("late", [False, True])
def test_exc_info_replaces_in_a_generator_before_the_first_block(late: bool) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        if late:
            yield b""
        try:
            raise ValueError
        except ValueError:
            start_response("503 Broken", [], exc_info=sys.exc_info())
        yield b"page"

    assert ask(app).status == 503


def test_exc_info_alone_is_a_first_call() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            raise ValueError
        except ValueError:
            start_response("503 Broken", [], sys.exc_info())
        return [b"page"]

    assert ask(app).status == 503


def test_exc_info_is_raised_again_once_the_head_is_out(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The very exception, with its traceback; the client sees a broken body and no second head."""
    error = ValueError("in the middle")
    seen: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        try:
            raise error
        except ValueError:
            try:
                start_response("500 Broken", [], sys.exc_info())
            except ValueError as again:
                seen.append(again)
                raise
        yield b"never"

    with Client(serve(app)) as client:
        client.send(request())
        assert client.read_status()[0] == 200
        client.read_fields()
        assert client.read_all() == b"5\r\nfirst\r\n"
    assert seen == [error]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error
    frames = []
    tb = error.__traceback__
    while tb is not None:
        frames.append(tb.tb_frame.f_code.co_name)
        tb = tb.tb_next
    assert frames[-1] == "app"


def test_exc_info_is_raised_again_after_write() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])(b"body")
        try:
            raise KeyError("k")
        except KeyError:
            with pytest.raises(KeyError):
                start_response("500 Broken", [], sys.exc_info())
        return []

    response = ask(app)
    assert (response.status, response.body) == (200, b"body")


@pytest.mark.parametrize(
    "wrong", [1, "text", (), (1, 2), (None, None, None), (ValueError, "no exception", None), [None, None, None]]
)
def test_wrong_exc_info_after_the_head_is_a_type_error(wrong: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"body")
        with pytest.raises(TypeError):
            start_response("500 Broken", [], wrong)
        return []

    assert ask(app).body == b"body"


def test_a_refused_head_can_be_followed_by_a_good_one() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with pytest.raises(ValueError, match="header"):
            start_response("200 OK", [("X-A", "1"), ("X-Bad", "a\r\nb")])
        start_response("201 Made", [("X-B", "2")])
        return [b"body"]

    response = ask(app)
    assert response.status == 201
    assert response.fields[0][0] == "X-B"


def test_a_refused_head_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with pytest.raises(ValueError, match="header"):
            start_response("200 OK", [("X-A", "1"), ("X-Bad", "a\r\nb")])
        return [b"body"]

    response = ask(app)
    assert response.status == 500
    assert response.get("X-A") is None


def test_a_refused_replacement_takes_the_first_head_with_it(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-A", "1")])
        try:
            raise OSError
        except OSError:
            with pytest.raises(ValueError, match="status"):
                start_response("5000 Broken", [], sys.exc_info())
        return [b"body"]

    assert ask(app).status == 500


# Status.


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        ("200 OK", 200, "OK"),
        ("200 ", 200, ""),
        ("404 Not Found", 404, "Not Found"),
        ("299 \xe9t\xe9", 299, "\xe9t\xe9"),
        ("418 I'm a teapot", 418, "I'm a teapot"),
        ("999 Odd", 999, "Odd"),
        ("600 a\tb", 600, "a\tb"),
        ("200 " + "x" * 5000, 200, "x" * 5000),
    ],
)
def test_the_status_goes_out_as_it_is(status: str, code: int, reason: str) -> None:
    response = call_with(status, [])
    assert (response.status, response.reason, response.body) == (code, reason, b"body")


@pytest.mark.parametrize(
    "status",
    [
        "", "200", "20 OK", "2000 OK", "OK", "abc OK", "200OK", " 200 OK", "+20 OK", "-20 OK", "2 0 OK", "0x2 OK",
        "000 OK", "099 OK", "100 Continue", "101 Switching Protocols", "199 No",
        "200 OK\r\nX-Evil: 1", "200 OK\n", "200 OK\r", "200 a\x00b", "200 a\x1bb", "200 a\x7fb", "200\tOK",
        "200 \u010a", "200 \u20ac", "\u0662\u0660\u0660 OK", "\uff12\uff10\uff10 OK", "200 \ud800",
    ],
)  # fmt: skip
def test_an_illegal_status_is_refused(status: str, caplog: pytest.LogCaptureFixture) -> None:
    error = refused(caplog, status, [])
    assert isinstance(error, ValueError)
    assert "status" in str(error)


@pytest.mark.parametrize("status", [200, b"200 OK", None, ("200 OK",), 200.0, object()])
def test_a_status_must_be_str(status: Any, caplog: pytest.LogCaptureFixture) -> None:
    error = refused(caplog, status, [])
    assert isinstance(error, TypeError)
    assert str(error) == f"status must be a str, not {type(status).__name__}"


# Fields.


@pytest.mark.parametrize(
    "headers", [None, (), "X: 1", {"X": "1"}, iter([]), (("X", "1"),), 1], ids=lambda value: type(value).__name__
)
def test_headers_must_be_a_list(headers: Any, caplog: pytest.LogCaptureFixture) -> None:
    error = refused(caplog, "200 OK", headers)
    assert isinstance(error, TypeError)
    assert str(error).startswith("headers must be a list, not ")


@pytest.mark.parametrize("pair", [None, "ab", ["X", "1"], ("X",), ("X", "1", "2"), (), 1, b"ab"], ids=shown)
def test_a_header_must_be_a_tuple_of_two(pair: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(refused(caplog, "200 OK", [("X-A", "1"), pair]), TypeError)


@pytest.mark.parametrize(
    "pair", [(b"X", "1"), ("X", b"1"), ("X", 1), ("X", None), (None, "1"), (1, 1), ("X", ["1"])], ids=shown
)
def test_name_and_value_must_be_str(pair: Any, caplog: pytest.LogCaptureFixture) -> None:
    error = refused(caplog, "200 OK", [pair])
    assert isinstance(error, TypeError)
    assert "must be a str, not " in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "X ",
        " X",
        "X Y",
        "X:",
        "X\r\nY",
        "X\n",
        "X\r",
        "X\x00",
        "\xe9",
        "X\u010a",
        "\u212aelvin",
        "X/Y",
        "X(",
        'X"',
        "X\t",
        "X\x7f",
        "\ud800",
    ],
)
def test_an_illegal_name_is_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(refused(caplog, "200 OK", [(name, "1")]), ValueError)


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nX-Evil: 1",
        "\n",
        "\r",
        "a\n b",
        "\x00",
        "a\x0bb",
        "a\x1bb",
        "\x7f",
        "\u010a",
        "\u010d\u010a",
        "\u20ac",
        "x" * 100 + "\n",
        "\ud800",
        "\U0001f600",
    ],
)
def test_an_illegal_value_is_refused(value: str, caplog: pytest.LogCaptureFixture) -> None:
    """U+010A and U+010D become LF and CR when a careless server narrows them to bytes."""
    error = refused(caplog, "200 OK", [("X-A", value)])
    assert isinstance(error, ValueError)
    assert "header value" in str(error)


@pytest.mark.parametrize("value", ["", "a", "\xe9", "\x80\xff", "a\tb", "x" * 10000])
def test_a_legal_value_goes_out_as_latin_1(value: str) -> None:
    assert call_with("200 OK", [("X-A", value)]).get("X-A") == value


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "transfer-ENCODING",
        "Proxy-Connection",
    ],
)
def test_hop_by_hop_fields_are_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """PEP 3333, "Other HTTP Features"."""
    error = refused(caplog, "200 OK", [(name, "close")])
    assert isinstance(error, ValueError)
    assert "hop-by-hop" in str(error)


@pytest.mark.parametrize(
    "value",
    ["", "x", "-1", "+1", "1.0", "1 ", " 1", "0x1", "1,1", "1_0", "\xb2", "\u0664", "9" * 30, "9223372036854775808"],
)
def test_an_illegal_content_length_is_refused(value: str, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(refused(caplog, "200 OK", [("Content-Length", value)]), ValueError)


def test_two_content_lengths_that_differ_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(refused(caplog, "200 OK", [("Content-Length", "1"), ("content-length", "2")]), ValueError)


@pytest.mark.parametrize("name", ["Content-Length", "content-length", "CONTENT-LENGTH"])
def test_the_content_length_goes_out_once(name: str) -> None:
    assert call_with("200 OK", [(name, "4")]).get("Content-Length") == "4"
    assert call_with("200 OK", [(name, "4"), ("Content-Length", "4")]).get("Content-Length") == "4"


def test_fields_keep_their_order_and_repeats() -> None:
    response = call_with("200 OK", [("Set-Cookie", "a=1"), ("X-B", "2"), ("Set-Cookie", "b=2"), ("x-b", "3")])
    assert response.fields[:4] == [("Set-Cookie", "a=1"), ("X-B", "2"), ("Set-Cookie", "b=2"), ("x-b", "3")]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 33, 500])
def test_any_number_of_fields(count: int) -> None:
    headers = [(f"X-Field-{i}", str(i)) for i in range(count)]
    response = call_with("200 OK", headers)
    assert response.fields[:count] == headers
    assert response.body == b"body"


@pytest.mark.parametrize("size", [60_000, 65_400, 65_536, 70_000, 300_000])
def test_a_head_larger_than_any_buffer(size: int, serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Large", "x" * size), *[(f"X-{i}", "y" * 100) for i in range(50)]])
        return [b"body"]

    with Client(serve(app)) as client:
        for response in (client.ask(request()), client.ask(request())):
            assert response.get("X-Large") == "x" * size
            assert response.get("X-49") == "y" * 100
            assert response.body == b"body"


@pytest.mark.parametrize("name", ["Date", "date", "Server", "SERVER"])
def test_the_applications_own_date_and_server_stand_alone(name: str) -> None:
    assert call_with("200 OK", [(name, "mine")]).all(name) == ["mine"]


def test_date_and_server_are_added_once() -> None:
    response = call_with("200 OK", [])
    assert response.get("Date") is not None
    assert response.get("Server") == "velocem"


def test_the_list_may_be_changed_afterwards() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        headers = [("X-A", str(b"one", "ascii")), ("X-B", str(b"two", "ascii"))]
        start_response("200 OK", headers)
        headers.clear()
        headers.append(("X-C", "three"))
        return [b"body"]

    response = ask(app)
    assert (response.get("X-A"), response.get("X-B"), response.get("X-C")) == ("one", "two", None)


def test_derived_types_are_taken() -> None:
    class Text(str):
        __slots__ = ()

    class List(list[Any]):
        pass

    response = call_with(Text("201 Made"), List([(Text("X-A"), Text("one"))]))
    assert (response.status, response.get("X-A")) == (201, "one")


# After the request.


def test_a_call_after_the_request_is_refused(serve: Serve) -> None:
    kept: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        kept.append(start_response)
        start_response("200 OK", [])
        return [b"body"]

    with Client(serve(app)) as client:
        client.ask(request())
        client.ask(request())
        assert kept[0] is not kept[1]
        for start_response in kept:
            with pytest.raises(RuntimeError, match="ended"):
                start_response("200 OK", [])
            with pytest.raises(RuntimeError, match="ended"):
                start_response("200 OK", [], (ValueError, ValueError(), None))


def test_a_call_in_close_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """The end of the body has been reached: a head now would be the next response's."""
    seen: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        class Result:
            def __iter__(self) -> Iterator[bytes]:
                return iter([b"body"])

            def close(self) -> None:
                try:
                    start_response("500 Broken", [], (ValueError, ValueError(), None))
                except RuntimeError as error:
                    seen.append(error)

        start_response("200 OK", [])
        return Result()

    response = ask(app)
    assert (response.status, response.body) == (200, b"body")
    assert len(seen) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
