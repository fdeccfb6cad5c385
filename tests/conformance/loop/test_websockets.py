"""The websockets library, client and server, on the loop."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.certificates import Pair
from support.loops import check_running, run
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.asyncio.server import ServerConnection, broadcast, serve, unix_serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK


async def echo(connection: ServerConnection) -> None:
    check_running()
    async for message in connection:
        await connection.send(message)


def echoed(talk: Callable[[ClientConnection], Awaitable[None]], certificate: Pair | None = None) -> None:
    async def main() -> None:
        contexts = (certificate.server(), certificate.client()) if certificate else (None, None)
        async with serve(echo, "127.0.0.1", 0, ssl=contexts[0], max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"{'wss' if certificate else 'ws'}://127.0.0.1:{port}"
            async with connect(url, ssl=contexts[1], max_size=None) as client:
                await talk(client)

    run(main())


async def talk_of_all_sizes(client: ClientConnection) -> None:
    for size in (0, 1, 125, 126, 65535, 65536, 5_000_000):
        message = os.urandom(size)
        await client.send(message)
        assert await client.recv() == message
    await client.send("Grüße")
    assert await client.recv() == "Grüße"


def test_messages_of_all_sizes() -> None:
    echoed(talk_of_all_sizes)


def test_messages_of_all_sizes_over_tls(certificate: Pair) -> None:
    echoed(talk_of_all_sizes, certificate)


def test_a_train_of_messages_keeps_its_order() -> None:
    async def talk(client: ClientConnection) -> None:
        async def send() -> None:
            for number in range(1000):
                await client.send(str(number))

        sending = asyncio.create_task(send())
        assert [await client.recv() for _ in range(1000)] == [str(number) for number in range(1000)]
        await sending

    echoed(talk)


def test_a_ping_is_answered() -> None:
    async def talk(client: ClientConnection) -> None:
        assert await (await client.ping()) >= 0

    echoed(talk)


def test_close_codes() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.close(4000 + int(str(await connection.recv())), "reason")

    async def main() -> None:
        async with serve(leave, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with connect(url) as client:
                await client.send("7")
                with pytest.raises(ConnectionClosedError) as closed:
                    await client.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4007, "reason")

    run(main())


def test_a_broadcast_reaches_a_hundred_clients() -> None:
    async def main() -> None:
        connected: set[ServerConnection] = set()

        async def wait(connection: ServerConnection) -> None:
            connected.add(connection)
            await connection.wait_closed()

        async with serve(wait, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            clients = await asyncio.gather(*(connect(url) for _ in range(100)))
            while len(connected) < 100:
                await asyncio.sleep(0.01)
            broadcast(connected, "news")
            assert await asyncio.gather(*(client.recv() for client in clients)) == ["news"] * 100
            await asyncio.gather(*(client.close() for client in clients))

    run(main())


def test_a_client_that_is_lost_ends_the_handler() -> None:
    async def main() -> None:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def handler(connection: ServerConnection) -> None:
            try:
                await connection.recv()
            except ConnectionClosedError:
                ended.set_result(connection.close_code or 0)

        async with serve(handler, "127.0.0.1", 0) as server:
            client = await connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            client.transport.abort()
            assert await asyncio.wait_for(ended, 20) == 1006

    run(main())


def test_the_server_closes_its_connections_when_it_ends() -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            client = await connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(ConnectionClosedOK):
            await client.recv()
        assert client.close_code == 1001

    run(main())


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with unix_serve(echo, path), unix_connect(path) as client:
            await client.send("over a path")
            assert await client.recv() == "over a path"

    run(main())
