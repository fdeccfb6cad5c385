"""Applications that do what nobody should: the server stays whole, and so do the other requests."""

import contextlib
import gc
import sys
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from support.client import Client, request
from support.wsgi import Serve, ask, returns

from velocem import Server


def test_everything_may_be_kept_for_ever(serve: Serve) -> None:
    kept: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [(f"X-{i}", "v") for i in range(i_fields)])
        result = iter([b"a", b"b"])
        kept.append((environ, start_response, write, environ["wsgi.input"], environ["wsgi.errors"], result))
        return result

    with Client(serve(app)) as client:
        for i_fields in range(40):
            assert client.ask(request("POST", f"/{i_fields}", "Cookie: c", body=b"%d" % i_fields)).body == b"ab"
    gc.collect()
    for i, (environ, start_response, write, stream, _, result) in enumerate(kept):
        assert environ["PATH_INFO"] == f"/{i}"
        assert stream.read() == b"%d" % i
        assert list(result) == []
        with pytest.raises(RuntimeError):
            start_response("200 OK", [])
        with pytest.raises(RuntimeError):
            write(b"late")
    kept.clear()
    gc.collect()


def test_objects_outlive_the_server() -> None:
    kept: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        kept.append((environ, start_response, start_response("200 OK", []), environ["wsgi.input"]))
        return environ["wsgi.file_wrapper"](environ["wsgi.input"])

    assert ask(app, request("POST", body=b"body")).body == b"body"
    gc.collect()
    environ, start_response, write, stream = kept.pop()
    with pytest.raises(RuntimeError):
        start_response("200 OK", [])
    with pytest.raises(RuntimeError):
        write(b"late")
    assert stream.read() == b""
    environ["wsgi.errors"].write("")
    assert environ["wsgi.file_wrapper"]
    del environ, start_response, write, stream
    gc.collect()


def test_a_request_to_itself_needs_a_second_thread(serve: Serve, threads: int) -> None:
    """On the loop the inner request cannot be answered before the outer one is, which then fails by its timeout."""
    server: Any = None

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/outer":
            try:
                with urllib.request.urlopen(f"{server.url}/inner", timeout=10 if threads else 0.3) as response:
                    return [response.read()]
            except OSError as error:
                return [type(error).__name__.encode()]
        return [b"inner"]

    server = serve(app)
    with Client(server) as client:
        outcomes = {b"inner"} if threads else {b"TimeoutError", b"URLError"}
        assert client.ask(request("GET", "/outer")).body in outcomes
        assert client.ask(request("GET", "/inner")).body == b"inner"


def test_another_server_may_be_asked_meanwhile(serve: Serve) -> None:
    inner = serve(returns([b"from inside"]))

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        with urllib.request.urlopen(inner.url, timeout=5) as response:
            return [response.read()]

    assert ask(app).body == b"from inside"


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("result", [lambda: [b"body"], lambda: iter([b"a", b"b"])])
def test_the_application_stops_its_own_worker(how: str, result: Any) -> None:
    """The request that asks for it is still answered, when there is time for it."""
    server: Any = None

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        getattr(server._worker, how)()
        return result()

    server = Server(app)
    server.start()
    with Client(server) as client:
        client.send(request())
        data = client.read_all_of_broken()
        assert how == "kill" or data.endswith((b"body", b"0\r\n\r\n"))
    server.stop()


def test_the_application_cannot_run_its_worker_again(serve: Serve) -> None:
    server: Any = None

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        with pytest.raises(RuntimeError, match="runs already"):
            server._worker.run()
        with pytest.raises(RuntimeError, match="made once"):
            server._worker.__init__(app, sockets=(), log=print)
        start_response("200 OK", [])
        return [b"refused"]

    server = serve(app)
    with Client(server) as client:
        assert client.ask(request()).body == b"refused"


def test_the_application_starts_and_stops_servers(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return [ask(returns([b"nested"])).body]

    with Client(serve(app)) as client:
        for _ in range(3):
            assert client.ask(request()).body == b"nested"


def test_collections_at_every_step(serve: Serve) -> None:
    """Collecting inside each callback, and a garbage cycle around everything the server made."""

    class Result:
        def __init__(self, *cycle: Any) -> None:
            self.cycle = (self, *cycle)

        def __iter__(self) -> Iterator[bytes]:
            gc.collect()
            yield b"a"
            gc.collect()
            yield b"b"

        def close(self) -> None:
            gc.collect()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        gc.collect()
        write = start_response("200 OK", [("X-A", str(b"one", "ascii"))])
        environ["cycle"] = environ
        wrapper = environ["wsgi.file_wrapper"](environ["wsgi.input"])
        return Result(environ, start_response, write, wrapper)

    threshold = gc.get_threshold()
    gc.freeze()  # what other tests have left is not looked at again each time
    gc.set_threshold(1)
    try:
        with Client(serve(app)) as client:
            for _ in range(20):
                response = client.ask(request("POST", "/", "X-B: 1", "X-B: 2", body=b"body"))
                assert (response.get("X-A"), response.body) == ("one", b"ab")
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()


def test_tracing_and_profiling(serve: Serve) -> None:
    events: list[str] = []

    def trace(frame: Any, event: str, argument: Any) -> Any:
        events.append(event)
        return trace

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        sys.settrace(trace)
        sys.setprofile(lambda frame, event, argument: events.append(event))
        start_response("200 OK", [])
        yield b"a"
        yield environ["wsgi.input"].readline()
        sys.setprofile(None)
        sys.settrace(None)

    with Client(serve(app)) as client:
        for _ in range(3):
            assert client.ask(request("POST", body=b"b")).body == b"ab"
    assert "c_call" in events


def test_a_trace_function_that_raises(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def nothing() -> None:
        pass

    def trace(frame: Any, event: str, argument: Any) -> Any:
        raise ValueError("in the trace function")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/trace":
            sys.settrace(trace)
            nothing()
        return [b"body"]

    with Client(serve(app)) as client:
        assert client.ask(request("GET", "/trace")).status == 500
        assert client.ask(request()).body == b"body"


def test_lists_that_change_under_the_servers_hands(serve: Serve) -> None:
    blocks: list[Any] = []

    class Sly(bytes):
        def __del__(self) -> None:
            blocks.clear()

    class SlyText(str):  # noqa: SLOT000
        def __del__(self) -> None:
            headers.clear()
            headers.extend([("X-Evil", "1")] * 100)

    headers: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        headers[:] = [(SlyText(f"X-{i}"), SlyText("v")) for i in range(30)]
        start_response(SlyText("200 OK"), headers)
        blocks[:] = [Sly(b"x" * 20_000), Sly(b"y" * 20_000)]
        blocks.extend(Sly(b"z") for _ in range(3))
        if environ["PATH_INFO"] == "/iterate":
            return (blocks.pop(0) for _ in range(5) if blocks)
        return blocks

    with Client(serve(app)) as client:
        for _ in range(5):
            response = client.ask(request())
            assert response.body == b"x" * 20_000 + b"y" * 20_000 + b"zzz"
            assert response.get("X-29") == "v"
            assert client.ask(request("GET", "/iterate")).status == 200
            blocks.clear()
            headers.clear()


def test_a_derived_str_that_calls_back_when_it_goes(serve: Serve) -> None:
    """Strings of the head before are let go while the next is taken."""
    calls: list[Any] = []

    class Sly(str):  # noqa: SLOT000
        start_response: Any = None

        def __del__(self) -> None:
            if self.start_response is not None:
                with contextlib.suppress(RuntimeError):
                    self.start_response("200 Sly", [("X-Sly", str(b"sly", "ascii"))] * 3)
                calls.append(self.start_response)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        pairs = [(Sly(f"X-{i}"), Sly("value")) for i in range(5)]
        for name, value in pairs:
            name.start_response = value.start_response = start_response
        start_response("200 OK", pairs)
        del pairs, name, value
        try:
            raise ValueError
        except ValueError as error:
            start_response("503 Broken", [(f"Y-{i}", str(b"vw", "ascii")) for i in range(5)], (ValueError, error, None))
        return [b"body"]

    with Client(serve(app)) as client:
        for _ in range(5):
            response = client.ask(request())
            assert response.status == 503
            assert [response.get(f"Y-{i}") for i in range(5)] == ["vw"] * 5
    assert calls
    calls.clear()


def test_values_whose_repr_calls_back(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        headers: list[Any] = []

        class Sly(str):  # noqa: SLOT000
            def __repr__(self) -> str:
                headers.clear()
                start_response("200 Sly", [("X-Sly", "1")])
                return "sly"

        headers += [("X-A", "1"), ("X-B", Sly("a\nb"))]
        with pytest.raises(ValueError, match="header value"):
            start_response("200 OK", headers)
        start_response("201 Made", [])
        return [b"body"]

    with Client(serve(app)) as client:
        for _ in range(3):
            assert client.ask(request()).status == 201


def test_start_response_from_another_thread() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        thread = threading.Thread(target=start_response, args=("202 Accepted", [("X-A", "1")]))
        thread.start()
        thread.join()
        return [b"body"]

    assert ask(app).status == 202


def test_threads_that_hammer_what_is_over(serve: Serve) -> None:
    """start_response and write() of ended requests, called all the time while others are served."""
    kept: list[Any] = []
    stop = threading.Event()
    refused: list[int] = [0]

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        kept[:] = [(start_response, start_response("200 OK", []))]
        return [environ["PATH_INFO"].encode()]

    def hammer() -> None:
        while not stop.is_set():
            for start_response, write in kept:
                try:
                    write(b"")
                    start_response("500 Evil", [], (ValueError, ValueError(), None))
                except (RuntimeError, ValueError):
                    refused[0] += 1

    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        with Client(serve(app)) as client:
            for i in range(300):
                response = client.ask(request("GET", f"/{i}"))
                assert response.status in {200, 500}
                assert response.body == b"/%d" % i
    finally:
        stop.set()
        thread.join()
    assert refused[0]


def test_an_environ_that_is_torn_apart(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ.clear()
        del environ
        start_response("200 OK", [])
        return iter([b"a", b"b"])

    with Client(serve(app)) as client:
        for _ in range(3):
            assert client.ask(request("POST", body=b"x")).body == b"ab"


def test_the_types_cannot_be_made_or_changed(serve: Serve) -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.extend([start_response, start_response("200 OK", []), environ["wsgi.input"], environ["wsgi.errors"]])
        return []

    with Client(serve(app)) as client:
        client.ask(request("POST", body=b"x"))
    for thing in seen:
        with pytest.raises(TypeError):
            type(thing)()
        with pytest.raises(TypeError):
            type(thing).evil = 1
        with pytest.raises(AttributeError):
            thing.evil = 1
        repr(thing)
        assert hash(thing) == hash(thing)


def test_a_generator_that_is_already_running(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    holder: list[Any] = []

    def generator() -> Iterator[bytes]:
        yield b"a"
        yield next(holder[0])

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        holder[:] = [generator()]
        return holder[0]

    with Client(serve(app)) as client:
        client.send(request())
        client.read_status()
        client.read_fields()
        assert client.read_all() == b"1\r\na\r\n"
    assert "already executing" in caplog.text


def test_one_result_for_two_requests_at_a_time(serve: Serve) -> None:
    """Shared by mistake: each block goes to one of them, and nothing breaks."""
    shared = iter([b"x" * 50_000] * 200)
    server = serve(returns(lambda: shared))
    with Client(server, receive_buffer=4096) as one, Client(server, receive_buffer=4096) as two:
        one.send(request())
        two.send(request())
        lengths: list[int] = []
        thread = threading.Thread(target=lambda: lengths.append(len(one.read().body)))
        thread.start()
        lengths.append(len(two.read().body))
        thread.join()
    assert sum(lengths) == 10_000_000
