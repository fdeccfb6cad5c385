"""create_server and its kin: accepting in C."""

import asyncio
import contextvars
import os
import resource
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import velocem


class Echo(asyncio.Protocol):
    """Gives back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def exchange(*address: Any, **kwargs: Any) -> bytes:
    reader, writer = await asyncio.open_connection(*address, **kwargs)
    writer.write(b"hello")
    writer.write_eof()
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data


def test_many_connections_are_served(runner: asyncio.Runner) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(3):
            answers = await asyncio.gather(*(exchange(*address) for _ in range(300)))
            assert answers == [b"hello"] * 300
        server.close()
        await server.wait_closed()
        with pytest.raises(OSError, match="Connect call failed"):
            await exchange(*address)

    runner.run(main())


def test_every_family_is_served(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for host in ("127.0.0.1", "::1"):
            server = await loop.create_server(Echo, host, 0)
            assert await exchange(*server.sockets[0].getsockname()[:2]) == b"hello"
            server.close()
        for path in (str(tmp_path / "socket"), "\0velocem-test"):
            unix = await loop.create_unix_server(Echo, path)
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello")
            assert await reader.read(5) == b"hello"
            assert writer.get_extra_info("peername") in {path, path.encode()}
            writer.close()
            unix.close()
            await asyncio.sleep(0)

    runner.run(main())


def test_names_are_those_of_the_socket(runner: asyncio.Runner) -> None:
    seen: list[tuple[Any, Any]] = []

    class Noting(Echo):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            sock = transport.get_extra_info("socket")
            assert sock.gettimeout() == 0
            seen.append((transport.get_extra_info("peername"), transport.get_extra_info("sockname")))
            seen.append((sock.getpeername(), sock.getsockname()))

    async def main() -> None:
        for host in ("127.0.0.1", "::1"):
            server = await asyncio.get_running_loop().create_server(Noting, host, 0)
            assert await exchange(*server.sockets[0].getsockname()[:2]) == b"hello"
            server.close()

    runner.run(main())
    assert len(seen) == 4
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]


def test_each_connection_has_a_context_of_its_own(runner: asyncio.Runner) -> None:
    variable: contextvars.ContextVar[list[int]] = contextvars.ContextVar("variable")
    seen: list[Any] = []

    class Setting(Echo):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            seen.append(variable.get(None))
            variable.set([1])

        def data_received(self, data: bytes) -> None:
            seen.append(variable.get(None))
            super().data_received(data)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Setting, "127.0.0.1", 0)
        for _ in range(2):
            await exchange(*server.sockets[0].getsockname())
        server.close()

    runner.run(main())
    assert seen == [None, [1], None, [1]]


def test_a_failing_factory_is_reported_and_the_connection_closed(runner: asyncio.Runner) -> None:
    errors: list[dict[str, Any]] = []

    def factory() -> Echo:
        raise ValueError("mine")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        server = await loop.create_server(factory, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        server.close()
        await server.wait_closed()

    runner.run(main())
    assert [str(error["exception"]) for error in errors] == ["mine"]
    assert errors[0]["message"] == "Error on transport creation for incoming connection"


def test_a_factory_may_close_the_server(runner: asyncio.Runner) -> None:
    async def main() -> None:
        def factory() -> Echo:
            server.close()
            return Echo()

        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        socks = [socket.create_connection(address) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert not server.is_serving()
        for sock in socks:
            sock.close()

    runner.run(main())


def test_out_of_descriptors_accepting_rests_and_goes_on(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[dict[str, Any]] = []
    monkeypatch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.05)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        sock = socket.socket()
        sock.setblocking(False)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            await loop.sock_connect(sock, server.sockets[0].getsockname())
            while not errors:
                await asyncio.sleep(0.001)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await loop.sock_sendall(sock, b"hello")
        assert await loop.sock_recv(sock, 10) == b"hello"
        sock.close()
        server.close()

    runner.run(main())
    assert errors[0]["message"] == "socket.accept() out of system resource"
    assert isinstance(errors[0]["socket"], asyncio.trsock.TransportSocket)


def test_a_server_that_is_closed_while_accepting_rests_is_not_woken(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.constants, "ACCEPT_RETRY_DELAY", 0.01)

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        errors: list[dict[str, Any]] = []
        server: Any = None

        def handler(_: object, context: dict[str, Any]) -> None:
            errors.append(context)
            server.close()

        loop.set_exception_handler(handler)
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        sock = socket.create_connection(server.sockets[0].getsockname())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            while not errors:
                await asyncio.sleep(0.001)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await asyncio.sleep(0.03)
        assert len(errors) == 1
        sock.close()

    runner.run(main())


def test_tls_is_accepted(runner: asyncio.Runner, certificate: tuple[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, ssl=context)
        address = server.sockets[0].getsockname()
        for size in (1, 1000, 300000):
            reader, writer = await asyncio.open_connection(*address, ssl=client)
            writer.write(b"x" * size)
            assert await reader.readexactly(size) == b"x" * size
            assert writer.get_extra_info("peername") == address
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()

    runner.run(main())


def test_serving_starts_only_on_an_open_socket(loop: velocem.EventLoop) -> None:
    sock = socket.socket()
    sock.close()
    with pytest.raises(ValueError, match="Invalid file descriptor"):
        loop._start_serving(Echo, sock)
