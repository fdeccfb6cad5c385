"""Sockets that share an address: who gets new connections, and what happens to those that wait."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from support.faults import wait_until

from velocem import reuseport, sockets
from velocem.places import Tcp
from velocem.reuseport import Shares
from velocem.sockets import Listener

OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    (socket.SOL_SOCKET, socket.SO_REUSEPORT),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT),
]


@pytest.fixture
def listeners() -> Iterator[list[Listener]]:
    found = sockets.listen([Tcp("127.0.0.1", 0)], backlog=100)
    yield found
    sockets.close(found)


@pytest.fixture
def shares(listeners: list[Listener]) -> Iterator[Shares]:
    """Of three workers."""
    made = Shares(listeners, 100, shared=False)
    made.grow()
    made.grow()
    yield made
    while made.count > 1:
        made.shrink()


def knock(shares: Shares, count: int = 60) -> Counter[int]:
    """Connect so often: in whose queue each connection waits."""
    found: Counter[int] = Counter()
    address = shares.listeners[0].sock.getsockname()
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(address))
            client.sendall(b"x")  # a connection is told with its first bytes
        for number in range(shares.count):
            (listener,) = shares.of(number).own
            while True:
                try:
                    listener.sock.accept()[0].close()
                except BlockingIOError:
                    break
                found[number] += 1
    return found


def test_every_worker_has_a_socket_of_its_own_with_the_same_options(shares: Shares) -> None:
    own = [shares.of(number).own[0] for number in range(3)]
    assert len({listener.sock.fileno() for listener in own}) == 3
    assert {(listener.name, listener.port, listener.url) for listener in own} == {own[0][1:4]}
    for option in OPTIONS:
        assert len({listener.sock.getsockopt(*option) for listener in own}) == 1
    assert not any(listener.sock.getblocking() for listener in own)


@pytest.mark.parametrize("chosen", [[0], [2], [1, 2], [0, 1, 2], [0, 2]])
def test_new_connections_go_to_those_that_are_chosen(chosen: list[int], shares: Shares) -> None:
    shares.steer(chosen)
    found = knock(shares)
    assert sorted(found) == chosen
    assert sum(found.values()) == 60


def test_nobody_to_choose_changes_nothing(shares: Shares) -> None:
    shares.steer([1])
    shares.steer([])
    assert sorted(knock(shares, 20)) == [1]


def test_a_new_socket_gets_nothing_before_it_is_chosen(shares: Shares) -> None:
    shares.steer([0, 1, 2])
    assert shares.grow() == 3
    assert 3 not in knock(shares)
    shares.steer([3])
    assert sorted(knock(shares, 20)) == [3]


def test_the_last_one_can_go_and_come_again(shares: Shares) -> None:
    shares.steer([0, 1])
    stray = shares.of(2).own[0].sock.dup()  # as a process has it that a worker left behind
    shares.shrink()
    assert shares.grow() == 2
    shares.steer([2])
    assert sorted(knock(shares, 20)) == [2]
    stray.close()


def test_a_queue_tells_whether_somebody_waits(shares: Shares) -> None:
    shares.steer([1])
    with socket.create_connection(shares.listeners[0].sock.getsockname()) as client:
        client.sendall(b"x")
        wait_until(lambda: shares.is_waited_for(1))
        assert not shares.is_waited_for(0)
    shares.of(1).own[0].sock.accept()[0].close()
    assert not shares.is_waited_for(1)


def test_an_address_in_use_is_an_error_although_several_share_it(shares: Shares) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(shares.listeners[0].sock.getsockname())


def test_what_cannot_be_multiplied_is_shared(listeners: list[Listener]) -> None:
    inherited = [listener._replace(inherited=True) for listener in listeners]
    for made in (Shares(inherited, 100, shared=False), Shares(listeners, 100, shared=True)):
        made.grow()
        made.steer([1])
        assert made.of(0).own == made.of(1).own == []
        assert made.of(0).shared == made.of(1).shared == list(made.listeners)


def test_a_kernel_that_takes_no_program_is_left_to_itself(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sock: socket.socket, program: Sequence[object]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(reuseport, "attach", refuse)
    shares.steer([1])
    assert sum(knock(shares).values()) == 60


def test_at_the_end_only_the_listeners_of_the_caller_are_left_open(listeners: list[Listener]) -> None:
    made = Shares(listeners, 100, shared=False)
    made.grow()
    others = [group.socks[1] for group in made.groups.values()]
    made.close()
    assert [sock.fileno() for sock in others] == [-1]
    assert listeners[0].sock.fileno() != -1
