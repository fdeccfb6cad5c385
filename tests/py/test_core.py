"""velocem._core.Worker in the hands of somebody who does not know it."""

import copy
import gc
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from support.wsgi import hello

from velocem import _core
from velocem._core import Worker

CLOSED = "this Worker is closed"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


def arguments(listener: socket.socket, **more: Any) -> dict[str, Any]:
    return {"sockets": [(listener.fileno(), "name", "1")], "log": print, **more}


def test_one_that_was_never_made_does_nothing() -> None:
    worker = Worker.__new__(Worker)
    worker.stop(retire=[0])
    worker.kill()
    assert set(worker.stats().values()) == {0}
    with pytest.raises(RuntimeError, match=CLOSED):
        worker.run()
    with pytest.raises(RuntimeError, match=CLOSED):
        _ = worker.wake_fd


def test_one_whose_making_failed_late_does_not_run(listener: socket.socket) -> None:
    worker = Worker.__new__(Worker)
    with pytest.raises(ValueError, match="access_format"):
        worker.__init__(hello, **arguments(listener, access_format="other"))
    with pytest.raises(RuntimeError, match=CLOSED):
        worker.run()
    with pytest.raises(RuntimeError, match="made once"):
        worker.__init__(hello, **arguments(listener))


def test_one_whose_making_failed_early_can_be_made(listener: socket.socket) -> None:
    worker = Worker.__new__(Worker)
    for _ in range(2):
        with pytest.raises(ValueError, match="server_header"):
            worker.__init__(hello, **arguments(listener, server_header="\n"))
    worker.__init__(hello, **arguments(listener))
    assert worker.wake_fd >= 0


@pytest.mark.parametrize(
    "name",
    [
        "limit_target",
        "limit_head",
        "limit_fields",
        "limit_field",
        "limit_body",
        "limit_trailers",
        "limit_chunk_ext",
        "min_body_rate",
        "body_memory",
        "limit_queue",
        "limit_spool",
    ],
)
@pytest.mark.parametrize("number", [-1, -(1 << 32), (1 << 64) + 4096, 1 << 100])
def test_a_number_that_does_not_fit_is_refused(listener: socket.socket, name: str, number: int) -> None:
    """Not cut to its low bits."""
    with pytest.raises((OverflowError, ValueError)):
        Worker(hello, **arguments(listener, **{name: number}))


@pytest.mark.parametrize("name", ["limit_target", "limit_head", "limit_fields", "min_body_rate"])
@pytest.mark.parametrize(("number", "error"), [((1 << 32) + 300, OverflowError), (1.5, TypeError), ("300", TypeError)])
def test_a_number_of_32_bits_is_one(listener: socket.socket, name: str, number: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Worker(hello, **arguments(listener, **{name: number}))


@pytest.mark.parametrize("number", [-1, -1e-9, float("nan"), float("inf"), 1e7])
def test_a_time_out_of_range_is_refused(listener: socket.socket, number: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Worker(hello, **arguments(listener, timeout_body=number))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"server_header": b"x"}, TypeError),
        ({"log": None}, TypeError),
        ({"sockets": None}, TypeError),
        ({"sockets": [(-1, "", "")]}, OSError),
        ({"sockets": [["", "", ""]]}, TypeError),
    ],
)
def test_wrong_arguments(listener: socket.socket, given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Worker(hello, **{**arguments(listener), **given})


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"forwarded_allow": ["10.0.0.1/8"]}, ValueError, "'10.0.0.1/8' is no address, network"),
        ({"forwarded_allow": ["::1", ""]}, ValueError, "'' is no address"),
        ({"forwarded_allow": ["\ud800"]}, UnicodeEncodeError, "surrogates"),
        ({"forwarded_allow": [3]}, TypeError, "bad argument"),
        ({"forwarded_allow": 3}, TypeError, "iterable"),
        ({"forwarded_headers": ["x-real-ip"]}, ValueError, "'x-real-ip' is no field"),
        ({"forwarded_headers": [""]}, ValueError, "'' is no field"),
        ({"forwarded_headers": ["forwarded", "x-forwarded-for"]}, ValueError, "exclude each other"),
        ({"forwarded_headers": [None]}, TypeError, "bad argument"),
    ],
)
def test_what_cannot_be_trusted_is_refused_and_a_second_try_goes_on(
    listener: socket.socket, given: dict[str, Any], error: type[Exception], match: str
) -> None:
    worker = Worker.__new__(Worker)
    with pytest.raises(error, match=match):
        worker.__init__(hello, **arguments(listener, **given))
    worker.__init__(hello, **arguments(listener, forwarded_allow=["*", "unix", "::1"]))


@pytest.mark.parametrize("app", [None, "module:app"])
def test_an_application_that_cannot_be_called_is_refused(listener: socket.socket, app: Any) -> None:
    with pytest.raises(TypeError):
        Worker(app, **arguments(listener))


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_cannot_be_copied(listener: socket.socket, way: Callable[[Worker], object]) -> None:
    with pytest.raises(TypeError):
        way(Worker(hello, **arguments(listener)))


@pytest.mark.parametrize("name", ["wsgi.errors", "wsgi.input"])
def test_its_objects_cannot_be_made_by_others(listener: socket.socket, name: str) -> None:
    environs: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environs.append(environ)
        environs.append(start_response)
        start_response("200 OK", [])
        return [b""]

    run_once(app, listener)
    for kind in (type(environs[0][name]), type(environs[1])):
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(TypeError):
            object.__new__(kind)


def run_once(app: Any, listener: socket.socket) -> Worker:
    worker = Worker(app, **arguments(listener))
    thread = threading.Thread(target=worker.run)
    thread.start()
    with urlopen(f"http://127.0.0.1:{listener.getsockname()[1]}") as answer:
        answer.read()
        with pytest.raises(RuntimeError, match="runs already"):
            worker.run()
    worker.stop()
    thread.join(10)
    return worker


def test_after_its_end_it_runs_no_more_and_can_be_asked(listener: socket.socket) -> None:
    worker = run_once(hello, listener)
    worker.run()
    worker.stop()
    worker.kill()
    assert worker.stats()["requests"] == 1


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"retire": 3}, TypeError),
        ({"retire": ["3"]}, TypeError),
        ({"retire": [1 << 99]}, OverflowError),
        ({"r": []}, TypeError),
    ],
)
def test_what_is_no_descriptor_does_not_stop_it(
    listener: socket.socket, given: dict[str, Any], error: type[Exception]
) -> None:
    worker = Worker(hello, **arguments(listener))
    with pytest.raises(error):
        worker.stop(**given)
    threading.Timer(0.1, worker.stop, kwargs={"retire": [listener.fileno(), -1, 1 << 40]}).start()
    worker.run()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname(), timeout=5)


def test_an_application_that_holds_its_worker_is_collected(listener: socket.socket) -> None:
    class App:
        gone = 0

        def __init__(self) -> None:
            self.worker = Worker(self, **arguments(listener))

        def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
            return [b""]

        def __del__(self) -> None:
            App.gone += 1

    App()
    gc.collect()
    assert App.gone == 1


IN_AN_INTERPRETER = """
import _imp, _socket, _thread
from importlib.machinery import ExtensionFileLoader, ModuleSpec
spec = ModuleSpec("velocem._core", ExtensionFileLoader("velocem._core", {path!r}), origin={path!r})
core = _imp.create_dynamic(spec)
_imp.exec_dynamic(core)
listener = _socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(5)
listener.setblocking(False)
def app(environ, start_response):
    start_response("200 OK", [("X-Own", "1")])
    return [environ["HTTP_HOST"].encode()]
worker = core.Worker(app, sockets=[(listener.fileno(), "a", "1")], log=print)
def client():
    for _ in range(50):
        sock = _socket.socket()
        sock.connect(listener.getsockname())
        sock.send(b"GET / HTTP/1.1\\r\\nHost: here\\r\\nConnection: close\\r\\n\\r\\n")
        answer = b""
        while more := sock.recv(9999):
            answer += more
        sock.close()
        assert answer.endswith(b"here"), answer
    worker.stop()
    done.release()
done = _thread.allocate_lock()
done.acquire()
_thread.start_new_thread(client, ())
worker.run()
done.acquire()
"""

MANY_INTERPRETERS = """
import sys, threading
import _interpreters
def serve():
    for _ in range(3):
        number = _interpreters.create()
        failure = _interpreters.exec(number, sys.argv[1])
        _interpreters.destroy(number)
        assert failure is None, failure.formatted
        print("served")
threads = [threading.Thread(target=serve) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.skipif(sys.version_info < (3, 13), reason="_interpreters is of 3.13")
def test_interpreters_with_a_gil_of_their_own_serve_side_by_side() -> None:
    """The core alone: parts of the standard library that the package imports are not ready for it themselves."""
    line = [sys.executable, "-c", MANY_INTERPRETERS, IN_AN_INTERPRETER.format(path=_core.__file__)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("served") == 9
