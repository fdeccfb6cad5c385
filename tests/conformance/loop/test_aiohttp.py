"""aiohttp, client and server, on the loop."""

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientTimeout, FormData, TCPConnector, UnixConnector, WSMsgType, web
from support.certificates import Pair
from support.loops import check_running, run

BLOCK = os.urandom(1 << 16)


async def echo(request: web.Request) -> web.StreamResponse:
    check_running()
    return web.Response(body=await request.read(), headers={"X-Method": request.method})


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(int(request.query["blocks"])):
        await response.write(BLOCK)
    await response.write_eof()
    return response


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.5)
    return web.Response()


async def form(request: web.Request) -> web.StreamResponse:
    fields = await request.post()
    part = fields["file"]
    assert isinstance(part, web.FileField)
    name = fields["name"]
    assert isinstance(name, str)
    return web.Response(text=f"{name} {part.filename} {hashlib.sha256(part.file.read()).hexdigest()}")


async def talk(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data.upper())
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data[::-1])
    return socket


def application(files: Path) -> web.Application:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/stream", stream)
    app.router.add_get("/slow", slow)
    app.router.add_post("/form", form)
    app.router.add_get("/talk", talk)
    app.router.add_static("/files", files)
    return app


@asynccontextmanager
async def serving(app: web.Application, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of a server on a free port."""
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        _, port = runner.addresses[0][:2]
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def served(folder: Path, talk_to: Callable[[ClientSession], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(application(folder)) as url, ClientSession(url) as session:
            await talk_to(session)

    run(main())


def test_a_body_comes_back(tmp_path: Path) -> None:
    async def ask(session: ClientSession) -> None:
        for size in (0, 1, 1000, 1 << 16, 1_000_000):
            body = os.urandom(size)
            async with session.put("/echo", data=body) as response:
                assert (response.status, response.headers["X-Method"]) == (200, "PUT")
                assert await response.read() == body

    served(tmp_path, ask)


def test_two_hundred_requests_at_once_on_twenty_connections(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            serving(application(tmp_path)) as url,
            ClientSession(url, connector=TCPConnector(limit=20)) as session,
        ):

            async def ask(number: int) -> str:
                async with session.post("/echo", data=str(number).encode()) as response:
                    return await response.text()

            assert await asyncio.gather(*map(ask, range(200))) == [str(number) for number in range(200)]

    run(main())


def test_a_chunked_upload(tmp_path: Path) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(50):
            await asyncio.sleep(0)
            yield bytes([number]) * 1000

    async def ask(session: ClientSession) -> None:
        async with session.post("/echo", data=parts()) as response:
            assert await response.read() == b"".join(bytes([number]) * 1000 for number in range(50))

    served(tmp_path, ask)


def test_a_stream_with_a_slow_reader_is_held_back_and_whole(tmp_path: Path) -> None:
    async def ask(session: ClientSession) -> None:
        received = hashlib.sha256()
        async with session.get("/stream?blocks=200") as response:
            await asyncio.sleep(0.1)
            async for block in response.content.iter_chunked(50_000):
                received.update(block)
                await asyncio.sleep(0)
        assert received.digest() == hashlib.sha256(BLOCK * 200).digest()

    served(tmp_path, ask)


def test_a_file_is_sent(tmp_path: Path) -> None:
    content = os.urandom(5_000_000)
    (tmp_path / "file.bin").write_bytes(content)

    async def ask(session: ClientSession) -> None:
        async with session.get("/files/file.bin") as response:
            assert await response.read() == content
        async with session.get("/files/file.bin", headers={"Range": "bytes=100-299"}) as response:
            assert (response.status, await response.read()) == (206, content[100:300])

    served(tmp_path, ask)


def test_a_form_with_a_file(tmp_path: Path) -> None:
    content = os.urandom(300_000)

    async def ask(session: ClientSession) -> None:
        data = FormData()
        data.add_field("name", "n")
        data.add_field("file", content, filename="f.bin")
        async with session.post("/form", data=data) as response:
            assert await response.text() == f"n f.bin {hashlib.sha256(content).hexdigest()}"

    served(tmp_path, ask)


def test_a_timeout_ends_the_request(tmp_path: Path) -> None:
    async def ask(session: ClientSession) -> None:
        with pytest.raises(TimeoutError):
            await session.get("/slow", timeout=ClientTimeout(total=0.05))
        async with session.post("/echo", data=b"after") as response:
            assert await response.read() == b"after"

    served(tmp_path, ask)


def test_a_client_that_goes_away_does_no_harm(tmp_path: Path) -> None:
    async def ask(session: ClientSession) -> None:
        for _ in range(20):
            async with session.get("/stream?blocks=200") as response:
                await response.content.readexactly(10)
                response.close()
        async with session.post("/echo", data=b"after") as response:
            assert await response.read() == b"after"

    served(tmp_path, ask)


def test_a_websocket(tmp_path: Path) -> None:
    async def ask(session: ClientSession) -> None:
        async with session.ws_connect("/talk") as socket:
            for number in range(100):
                await socket.send_str(f"text {number}")
                assert await socket.receive_str() == f"TEXT {number}"
            await socket.send_bytes(BLOCK * 10)
            assert await socket.receive_bytes() == (BLOCK * 10)[::-1]
            await socket.close()
            assert socket.closed

    served(tmp_path, ask)


def test_https(tmp_path: Path, certificate: Pair) -> None:
    async def main() -> None:
        async with (
            serving(application(tmp_path), certificate.server()) as url,
            ClientSession(url, connector=TCPConnector(ssl=certificate.client(), limit=10)) as session,
        ):

            async def ask(size: int) -> None:
                body = os.urandom(size)
                async with session.post("/echo", data=body) as response:
                    assert await response.read() == body

            await asyncio.gather(*map(ask, range(0, 1_000_000, 40_000)))

    run(main())


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        runner = web.AppRunner(application(tmp_path), shutdown_timeout=1)
        await runner.setup()
        await web.UnixSite(runner, path).start()
        async with (
            ClientSession("http://unix", connector=UnixConnector(path)) as session,
            session.post("/echo", data=BLOCK) as response,
        ):
            assert await response.read() == BLOCK
        await runner.cleanup()

    run(main())
