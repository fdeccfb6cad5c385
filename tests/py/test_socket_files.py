"""Files of Unix sockets: who gives way to whom, their mode, their end."""

import errno
import fcntl
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from velocem import socket_files
from velocem.socket_files import SocketFile


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # paths of test folders may be longer than a socket's can be
    return Path("a.sock")


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        yield made


def bind(sock: socket.socket, path: Path, mode: int = 0o666) -> SocketFile:
    return socket_files.bind(sock, str(path), mode, 5)


def refusal(sock: socket.socket, path: Path) -> OSError:
    with pytest.raises(OSError) as caught:  # noqa: PT011
        bind(sock, path)
    return caught.value


def leave_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(path))


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o777])
def test_the_mode_is_the_one_asked_for_whatever_the_umask_is(path: Path, sock: socket.socket, mode: int) -> None:
    before = os.umask(0o077)
    try:
        bind(sock, path, mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_it_is_listened_on(path: Path, sock: socket.socket) -> None:
    bind(sock, path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))


def test_a_stale_socket_gives_way(path: Path, sock: socket.socket) -> None:
    leave_stale(path)
    bind(sock, path)
    assert socket_files.is_listened_on(str(path))


def test_one_that_is_listened_on_does_not(path: Path, sock: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen(0)
        assert refusal(sock, path).errno == errno.EADDRINUSE
        # By now its queue is full: that does not make it stale.
        fill = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        fill.setblocking(False)
        with fill:
            fill.connect_ex(str(path))
            assert refusal(sock, path).errno == errno.EADDRINUSE
        assert path.is_socket()


def test_nor_does_one_of_another_type(path: Path, sock: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        assert refusal(sock, path).errno == errno.EADDRINUSE
        assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_what_is_no_socket_is_never_removed(path: Path, sock: socket.socket, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("b")
        if kind == "link":
            leave_stale(Path("b"))
    error = refusal(sock, path)
    assert error.errno == errno.EEXIST
    assert error.strerror == "there is a file of that name, which is no socket"
    assert os.path.lexists(path)


def test_it_goes_when_it_is_ours(path: Path, sock: socket.socket, tmp_path: Path) -> None:
    file = bind(sock, path)
    os.chdir("/")  # applications do
    file.remove()
    assert not (tmp_path / path).exists()


def test_it_stays_when_another_has_taken_its_place(path: Path, sock: socket.socket) -> None:
    file = bind(sock, path)
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        bind(other, path)
        file.remove()
        assert socket_files.is_listened_on(str(path))


def test_it_stays_when_a_worker_ends(path: Path, sock: socket.socket) -> None:
    file = bind(sock, path)
    file._replace(pid=os.getpid() + 1).remove()
    assert path.is_socket()


def test_a_failure_after_the_bind_leaves_nothing(
    path: Path, sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(os, "chmod", fail)
    assert refusal(sock, path).errno == errno.EPERM
    assert not path.exists()


def test_a_link_put_in_its_place_is_not_followed(path: Path) -> None:
    Path("secret").write_text("")
    Path("secret").chmod(0o600)
    path.symlink_to("secret")
    with pytest.raises(OSError, match="replaced while it was made"):
        socket_files.set_mode(str(path), 0o666)
    assert stat.S_IMODE(Path("secret").stat().st_mode) == 0o600


def test_of_many_that_start_at_once_one_gets_it(path: Path) -> None:
    leave_stale(path)
    socks = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(8)]
    together = threading.Barrier(len(socks))
    got: list[int] = []
    failed: list[int | None] = []

    def start(number: int) -> None:
        together.wait()
        try:
            bind(socks[number], path)
            got.append(number)
        except OSError as error:
            failed.append(error.errno)

    threads = [threading.Thread(target=start, args=[number]) for number in range(len(socks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert failed == [errno.EADDRINUSE] * (len(socks) - 1)
    assert socks[got[0]].getsockname() == str(path)
    assert socket_files.is_listened_on(str(path))
    for sock in socks:
        sock.close()


def test_a_folder_that_others_have_locked_holds_up_nobody(
    path: Path, sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_files, "LOCK_SECONDS", 0.05)
    folder = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        bind(sock, path)
    finally:
        os.close(folder)


def test_a_folder_that_is_not_there(path: Path, sock: socket.socket) -> None:
    assert refusal(sock, Path("none") / path).errno == errno.ENOENT
