"""An application that fails: a 500, a traceback in the log, and a worker that goes on."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.client import Client, request
from support.wsgi import Application, Serve


class Own(BaseException):
    """Derived from what hardly anybody catches."""


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def recurse() -> int:
    return recurse() + 1


def recursive(environ: dict[str, Any], start_response: Any) -> int:
    return recurse()


def raise_(error: type[BaseException] | BaseException) -> None:
    raise error


FAILURES = [
    ValueError("secret"), SystemExit(3), SystemExit(), KeyboardInterrupt(), GeneratorExit(), MemoryError(), Own(),
    StopIteration(), RecursionError(), UnprintableError(), OSError(32, "broken pipe"), ConnectionResetError(),
    BrokenPipeError(), TimeoutError(), StopAsyncIteration(), ExceptionGroup("many", [ValueError("a"), KeyError("b")]),
]  # fmt: skip


def serves_on(serve: Serve, failing: Application, failures: int = 2) -> list[Any]:
    """Runs it twice between good requests on one connection; gives the failing responses."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/fails":
            return failing(environ, start_response)
        start_response("200 OK", [])
        return [b"good"]

    responses = []
    with Client(serve(app)) as client:
        assert client.ask(request()).body == b"good"
        for _ in range(failures):
            responses.append(client.ask(request("GET", "/fails")))
            assert client.ask(request()).body == b"good"
    return responses


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["call", "after start_response", "iter", "next", "generator"])
def test_any_exception_is_500_and_the_worker_goes_on(  # noqa: C901
    error: BaseException, where: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Result:
        def __iter__(self) -> Any:
            if where == "iter":
                raise error
            return self

        def __next__(self) -> bytes:
            raise error

    def generator() -> Iterator[bytes]:
        yield b""
        raise error

    def failing(environ: dict[str, Any], start_response: Any) -> Any:
        if where == "call":
            raise error
        start_response("200 OK", [("X-Left", "1")])
        if where == "after start_response":
            raise error
        return generator() if where == "generator" else Result()

    if where == "next" and isinstance(error, StopIteration):
        pytest.skip("that is the end of the iteration")
    for response in serves_on(serve, failing):
        assert (response.status, response.body) == (500, b"500 Internal Server Error\n")
        assert response.get("X-Left") is None
        assert not response.closes
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    if isinstance(error, KeyboardInterrupt):
        assert not logged  # the log leaves it out: it is Ctrl-C, nearly always
    elif where == "generator" and isinstance(error, StopIteration):
        assert all(isinstance(found, RuntimeError) for found in logged)  # PEP 479
    else:
        assert logged == [error, error]


def test_the_log_has_the_traceback(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def failing(environ: dict[str, Any], start_response: Any) -> Any:
        raise ValueError("a secret")

    (response,) = serves_on(serve, failing, 1)
    assert b"secret" not in response.body
    assert "Traceback" in caplog.text
    assert "in failing" in caplog.text
    assert "ValueError: a secret" in caplog.text


def test_real_recursion(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    for response in serves_on(serve, recursive):
        assert response.status == 500


def test_a_real_shortage_of_memory(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    for response in serves_on(serve, lambda environ, start_response: [b"x" * (1 << 62)]):
        assert response.status == 500


def test_sys_exit_does_not_end_the_server(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    for response in serves_on(serve, lambda environ, start_response: sys.exit(0)):
        assert response.status == 500


@pytest.mark.parametrize("kind", ["class", "instance", "method", "partial", "builtin"])
def test_any_callable_is_an_application(kind: str, serve: Serve) -> None:
    import functools

    def plain(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"called"]

    class Class:
        def __init__(self, environ: dict[str, Any], start_response: Any) -> None:
            start_response("200 OK", [])

        def __iter__(self) -> Iterator[bytes]:
            yield b"called"

    class Instance:
        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            return plain(environ, start_response)

    class C:
        def app(self, environ: dict[str, Any], start_response: Any) -> Any:
            return plain(environ, start_response)

    def extra(more: int, environ: dict[str, Any], start_response: Any) -> Any:
        return plain(environ, start_response)

    import types

    apps: dict[str, Any] = {
        "class": Class,
        "instance": Instance(),
        "method": C().app,
        "partial": functools.partial(extra, 1),
        "builtin": types.MethodType(extra, 1),
    }
    with Client(serve(apps[kind])) as client:
        for _ in range(2):
            assert client.ask(request()).body == b"called"


def test_errors_of_many_requests_in_one_packet(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if int(environ["QUERY_STRING"]) % 2:
            raise ValueError(environ["QUERY_STRING"])
        start_response("200 OK", [])
        return [environ["QUERY_STRING"].encode()]

    with Client(serve(app)) as client:
        client.send(b"".join(request("GET", f"/?{i}") for i in range(100)))
        for i in range(100):
            response = client.read()
            assert response.status == (500 if i % 2 else 200)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        str(i) for i in range(1, 100, 2)
    ]


def test_an_exception_that_was_handled_is_not_seen_by_the_next_request(serve: Serve) -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(sys.exc_info())
        try:
            raise ValueError
        except ValueError:
            start_response("503 Broken", [], sys.exc_info())
            return [b"page"]

    with Client(serve(app)) as client:
        for _ in range(3):
            assert client.ask(request()).status == 503
    assert seen == [(None, None, None)] * 3


def test_a_log_that_fails_does_not_end_the_worker(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import velocem.server

    monkeypatch.setattr(velocem.server, "report", lambda *arguments: raise_(RuntimeError("no log")))
    monkeypatch.setattr(sys, "unraisablehook", lambda args: print(args.exc_value, file=sys.stderr))
    for response in serves_on(serve, lambda environ, start_response: raise_(ValueError)):
        assert response.status == 500
    assert capsys.readouterr().err.count("no log") == 2
