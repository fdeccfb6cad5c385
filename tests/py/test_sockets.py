"""Listening sockets of every kind: what is bound, what is inherited, what is refused and in which words."""

import fcntl
import os
import resource
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from velocem import sockets
from velocem.exceptions import StartError
from velocem.places import Descriptor, Place, Systemd, Tcp, Unix
from velocem.sockets import Listener

FIRST = 3  # of the descriptors that systemd passes


@contextmanager
def listening(*places: Place, backlog: int = 10, uds_mode: int = 0o666) -> Iterator[list[Listener]]:
    listeners = sockets.listen(places, backlog=backlog, uds_mode=uds_mode)
    try:
        yield listeners
    finally:
        sockets.close(listeners)


def refusal(*places: Place) -> str:
    with pytest.raises(StartError) as caught:
        sockets.listen(places, backlog=10)
    return str(caught.value).removeprefix("cannot listen on ")


def has(family: int, host: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind((host, 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has(socket.AF_INET6, "::1"), reason="this machine has no ::1")


# TCP.


def test_every_address_of_an_empty_host_has_one_port() -> None:
    with listening(Tcp("", 0)) as listeners:
        assert len({listener.port for listener in listeners}) == 1
        assert {listener.name for listener in listeners} <= {"0.0.0.0", "[::]"}


def test_accepted_sockets_inherit_no_delay() -> None:
    with listening(Tcp("127.0.0.1", 0)) as [listener], socket.create_connection(("127.0.0.1", listener.port)) as client:
        assert not listener.sock.getblocking()
        client.sendall(b"G")
        time.sleep(0.05)
        peer, _ = listener.sock.accept()
        with peer:
            assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_backlog_is_the_one_asked_for() -> None:
    with listening(Tcp("127.0.0.1", 0), backlog=7) as [listener]:
        # tcpi_sacked of a listening socket is its backlog (ss(8) shows it as Send-Q).
        info = listener.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert struct.unpack_from("I", info, 28)[0] == 7


@needs_ipv6
def test_the_ipv6_wildcard_takes_ipv4_too() -> None:
    with listening(Tcp("::", 0)) as [listener]:
        assert listener.name == "[::]"
        socket.create_connection(("127.0.0.1", listener.port), timeout=5).close()
        socket.create_connection(("::1", listener.port), timeout=5).close()


@needs_ipv6
def test_but_not_when_an_ipv4_address_has_the_port() -> None:
    with listening(Tcp("::", 0)) as [one]:
        port = one.port
    with listening(Tcp("::", port), Tcp("127.0.0.1", port)) as [six, four]:
        assert (six.port, four.port) == (port, port)
        assert six.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"G")
            time.sleep(0.05)
            four.sock.accept()[0].close()


@needs_ipv6
def test_the_picked_port_is_another_one_when_it_is_taken_at_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    real, ports = sockets.open_address, [0]

    def meddle(address: sockets.Address, port: int, backlog: int, *, ipv6_only: bool) -> Listener:
        if port and len(ports) < 3:
            ports.append(port)
            raise OSError(98, "Address already in use")
        return real(address, port, backlog, ipv6_only=ipv6_only)

    monkeypatch.setattr(sockets, "open_address", meddle)
    with listening(Tcp("", 0)) as listeners:
        assert len({listener.port for listener in listeners}) == 1
        assert len(listeners) == 2 or len(ports) == 1


def test_a_failure_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with listening(Tcp("127.0.0.1", 0)) as [taken]:
        before = len(os.listdir("/proc/self/fd"))
        assert refusal(Unix("a"), Tcp("127.0.0.1", 0), Tcp("127.0.0.1", taken.port)) == (
            f"127.0.0.1:{taken.port}: the address is in use"
        )
        assert len(os.listdir("/proc/self/fd")) == before
    assert not Path("a").exists()


# Unix.


def test_a_unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with listening(Unix("a.sock"), uds_mode=0o600) as [listener]:
        assert (listener.name, listener.port, listener.url) == ("localhost", 80, "unix:a.sock")
        assert not listener.sock.getblocking()
        assert Path("a.sock").stat().st_mode & 0o777 == 0o600
        assert refusal(Unix("a.sock")) == "unix:a.sock: the address is in use"
    assert not Path("a.sock").exists()


def test_an_abstract_unix_socket_has_no_file() -> None:
    name = f"@velocem-test-{os.getpid()}"
    with listening(Unix(name)) as [listener]:
        assert listener.url == f"unix:{name}"
        assert listener.file is None
        assert refusal(Unix(name)) == f"unix:{name}: the address is in use"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none/a", "No such file or directory"),
        ("file", "there is a file of that name, which is no socket"),
        ("file/a", "Not a directory"),
    ],
)
def test_a_unix_socket_that_cannot_be(path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    assert refusal(Unix(path)) == f"unix:{path}: {reason}"


@pytest.mark.parametrize("place", [Tcp("127.0.0.1", 0), Unix("a"), Unix("@velocem-none"), Descriptor(1)])
def test_without_descriptors_it_is_one_line_too(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1, limits[1]))
        try:
            line = refusal(place)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert line.startswith(f"{place}: ")
    assert "Too many open files" in line or "it is no socket" in line


# Inherited descriptors.


@pytest.mark.parametrize(
    ("family", "address", "url"),
    [
        (socket.AF_INET, ("127.0.0.1", 0), "http://127.0.0.1:"),
        pytest.param(socket.AF_INET6, ("::1", 0), "http://[::1]:", marks=needs_ipv6),
        (socket.AF_UNIX, "a.sock", "unix:a.sock"),
        (socket.AF_UNIX, f"\0velocem-{os.getpid()}", f"unix:@velocem-{os.getpid()}"),
    ],
    ids=["ipv4", "ipv6", "file", "abstract"],
)
def test_an_inherited_socket_of_each_family(
    family: int, address: object, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(family, socket.SOCK_STREAM) as given:
        given.bind(address)  # type: ignore[arg-type]
        given.listen()
        os.set_inheritable(given.fileno(), True)
        with listening(Descriptor(given.fileno())) as [listener]:
            assert listener.url.startswith(url)
            assert listener.inherited
            assert not listener.sock.getblocking()
            assert not os.get_inheritable(given.fileno())
            assert fcntl.fcntl(listener.sock, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
            assert sockets.retiring([listener]) == []
            if family != socket.AF_UNIX:
                assert listener.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), "it is the owner's to close"
    assert not isinstance(address, str) or address.startswith("\0") or Path(address).exists()


def test_a_descriptor_that_is_no_listening_socket() -> None:
    with socket.socket() as mute, socket.socket(type=socket.SOCK_DGRAM) as datagram, open("/dev/null") as file:
        number = mute.fileno()
        assert refusal(Descriptor(number)) == f"fd://{number}: it does not listen"
        number = datagram.fileno()
        assert refusal(Descriptor(number)) == f"fd://{number}: it is no stream socket of IPv4, IPv6 or Unix"
        number = file.fileno()
        assert refusal(Descriptor(number)) == f"fd://{number}: it is no socket"
    assert refusal(Descriptor(number)) == f"fd://{number}: Bad file descriptor"


# systemd.


@contextmanager
def passed(count: int, names: str | None = None, pid: int | None = None) -> Iterator[Sequence[socket.socket]]:
    """Listening sockets at descriptors 3 and on, as from systemd; what was there comes back."""
    wanted = range(FIRST, FIRST + count)
    saved = [os.dup(fd) for fd in wanted]
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in wanted]
    for sock, fd in zip(socks, wanted, strict=True):
        os.dup2(sock.fileno(), fd)
    given = {"LISTEN_FDS": str(count), "LISTEN_PID": str(pid or os.getpid())}
    os.environ.update(given if names is None else given | {"LISTEN_FDNAMES": names})
    try:
        yield socks
    finally:
        for old, fd in zip(saved, wanted, strict=True):
            os.dup2(old, fd, inheritable=False)
            os.close(old)
        for sock in socks:
            sock.close()
        for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)


def ports(socks: Sequence[socket.socket]) -> list[int]:
    return [int(sock.getsockname()[1]) for sock in socks]


def test_every_descriptor_that_systemd_passes() -> None:
    with passed(2) as socks, listening(*sockets.default("127.0.0.1", 0)) as listeners:
        assert [listener.port for listener in listeners] == ports(socks)
        assert all(listener.inherited for listener in listeners)
        assert not {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} & set(os.environ)


def test_descriptors_by_name() -> None:
    with passed(3, "web:admin:web") as socks, listening(Systemd("admin"), Systemd("web")) as listeners:
        assert [listener.port for listener in listeners] == [ports(socks)[at] for at in (1, 0, 2)]


def test_a_name_that_was_not_passed() -> None:
    with passed(2, "web:admin"):
        assert refusal(Systemd("api")) == "systemd:api: systemd has passed only: web, admin"
    with passed(2, "web"):
        assert refusal(Systemd("web")) == "systemd:web: systemd has passed only: unknown, unknown"


def test_what_was_passed_to_another_process_is_not_ours() -> None:
    with passed(1, pid=1):
        assert sockets.default("127.0.0.1", 80) == [Tcp("127.0.0.1", 80)]
        assert refusal(Systemd()) == (f"what systemd passes: it was passed to process '1', and this is {os.getpid()}")
    assert refusal(Systemd()) == "what systemd passes: it has passed nothing"


def test_a_broken_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "two")
    assert refusal(Systemd()) == "what systemd passes: LISTEN_FDS is 'two'"


def test_a_descriptor_of_systemd_that_does_not_listen() -> None:
    with passed(2, "web:db") as socks, socket.socket() as mute:
        os.dup2(mute.fileno(), FIRST + 1)
        assert refusal(Systemd()) == "descriptor 4 of systemd (db): it does not listen"
        assert ports(socks)
