"""add_reader, add_writer and their opposites."""

import os
import socket
from collections.abc import Iterator

import pytest

import velocem

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected, non-blocking sockets."""
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    with a, b:
        yield a, b


def run_briefly(loop: velocem.EventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_a_reader_is_called_while_there_is_something(loop: velocem.EventLoop, pair: Pair) -> None:
    seen: list[int] = []
    loop.add_reader(pair[0], seen.append, 1)
    run_briefly(loop)
    assert seen == []
    pair[1].send(b"x")
    run_briefly(loop)
    run_briefly(loop)
    assert seen == [1, 1]
    assert loop.remove_reader(pair[0])
    run_briefly(loop)
    assert seen == [1, 1]
    assert not loop.remove_reader(pair[0])


def test_a_writer_is_called_while_there_is_room(loop: velocem.EventLoop, pair: Pair) -> None:
    seen: list[int] = []
    loop.add_writer(pair[0].fileno(), seen.append, 1)
    run_briefly(loop)
    assert seen == [1]
    assert loop.remove_writer(pair[0].fileno())
    assert not loop.remove_writer(pair[0].fileno())


def test_both_may_be_watched(loop: velocem.EventLoop, pair: Pair) -> None:
    seen: list[str] = []
    loop.add_reader(pair[0], seen.append, "read")
    loop.add_writer(pair[0], seen.append, "write")
    pair[1].send(b"x")
    run_briefly(loop)
    assert seen == ["read", "write"]
    assert loop.remove_writer(pair[0])
    run_briefly(loop)
    assert seen == ["read", "write", "read"]


def test_a_new_reader_takes_the_old_ones_place(loop: velocem.EventLoop, pair: Pair) -> None:
    seen: list[int] = []
    loop.add_reader(pair[0], pytest.fail)
    loop.add_reader(pair[0], seen.append, 2)
    pair[1].send(b"x")
    run_briefly(loop)
    assert seen == [2]


def test_a_reader_removed_in_its_round_is_not_called(loop: velocem.EventLoop, pair: Pair) -> None:
    pair[1].send(b"x")
    loop.add_reader(pair[0], pytest.fail)
    loop.call_soon(loop.remove_reader, pair[0])
    run_briefly(loop)


def test_a_closed_peer_is_told_to_both(loop: velocem.EventLoop, pair: Pair) -> None:
    seen: list[str] = []
    loop.add_reader(pair[0], seen.append, "read")
    loop.add_writer(pair[0], seen.append, "write")
    pair[1].close()
    run_briefly(loop)
    assert seen == ["read", "write"]


def test_a_file_that_was_closed_is_found_by_itself(loop: velocem.EventLoop, pair: Pair) -> None:
    loop.add_reader(pair[0], pytest.fail)
    pair[0].close()
    assert loop.remove_reader(pair[0])
    assert not loop.remove_reader(pair[0])


def test_a_number_used_again_is_watched_anew(loop: velocem.EventLoop) -> None:
    seen: list[int] = []
    a, b = socket.socketpair()
    number = a.fileno()
    loop.add_reader(a, pytest.fail)
    a.close()
    b.close()
    c, d = socket.socketpair()
    e = c if c.fileno() == number else d
    assert e.fileno() == number
    loop.add_writer(e, seen.append, 1)
    run_briefly(loop)
    assert seen == [1]
    c.close()
    d.close()


@pytest.mark.parametrize("given", ["x", None, 1.5, object()])
def test_what_is_no_descriptor_is_refused(loop: velocem.EventLoop, given: object) -> None:
    with pytest.raises(ValueError, match="Invalid file object"):
        loop.add_reader(given, print)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Invalid file object"):
        loop.remove_writer(given)  # type: ignore[arg-type]


def test_what_the_kernel_cannot_watch_is_an_error(loop: velocem.EventLoop, tmp_path: object) -> None:
    with pytest.raises(ValueError, match="Invalid file descriptor"):
        loop.add_reader(-1, print)
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_reader(1 << 19, print)
    with open(f"{tmp_path}/file", "w") as file, pytest.raises(PermissionError):
        loop.add_writer(file, print)


def test_pipes_may_be_watched(loop: velocem.EventLoop) -> None:
    read, write = os.pipe()
    seen: list[bytes] = []
    loop.add_reader(read, lambda: seen.append(os.read(read, 10)))
    os.write(write, b"x")
    run_briefly(loop)
    assert seen == [b"x"]
    loop.remove_reader(read)
    os.close(read)
    os.close(write)


def test_closing_the_loop_lets_all_go(pair: Pair) -> None:
    loop = velocem.new_event_loop()
    loop.add_reader(pair[0], print)
    loop.close()
    assert not loop.remove_reader(pair[0])
