"""hypercorn on the loop, with HTTP/1.1, HTTP/2 and WebSocket."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from hypercorn.asyncio import serve
from hypercorn.config import Config
from support import served
from support.certificates import Pair
from support.databases import free_port
from support.loops import KIND, run
from websockets.asyncio.client import connect


@asynccontextmanager
async def serving(certificate: Pair | None = None) -> AsyncIterator[str]:
    config = Config()
    address = f"127.0.0.1:{free_port()}"
    config.bind = [address]
    config.errorlog = None
    if certificate:
        config.certfile, config.keyfile = str(certificate.certificate), str(certificate.key)
    over = asyncio.Event()
    app: Any = served.app
    task = asyncio.create_task(serve(app, config, shutdown_trigger=over.wait))
    while not task.done():
        try:
            _, writer = await asyncio.open_connection(*address.split(":"))
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        break
    yield f"{'https' if certificate else 'http'}://{address}"
    over.set()
    await asyncio.wait_for(task, 20)


async def talk(client: httpx.AsyncClient, version: str) -> None:
    response = await client.get("/loop")
    assert response.text.split()[0] == f"{KIND.__module__}.{KIND.__qualname__}"
    assert response.http_version == version
    for size in (0, 1000, 1 << 20):
        body = os.urandom(size)
        assert (await client.post("/echo", content=body)).content == body
    assert (await client.get("/stream")).content == served.BLOCK * 100
    answers = await asyncio.gather(*(client.post("/echo", content=b"%d" % number) for number in range(50)))
    assert [answer.content for answer in answers] == [b"%d" % number for number in range(50)]


def test_http_1() -> None:
    async def main() -> None:
        async with serving() as url, httpx.AsyncClient(base_url=url) as client:
            await talk(client, "HTTP/1.1")

    run(main())


def test_http_2_over_tls(certificate: Pair) -> None:
    async def main() -> None:
        async with (
            serving(certificate) as url,
            httpx.AsyncClient(base_url=url, http1=False, http2=True, verify=certificate.client()) as client,
        ):
            await talk(client, "HTTP/2")

    run(main())


def test_a_websocket() -> None:
    async def main() -> None:
        async with serving() as url, connect(url.replace("http", "ws")) as client:
            for message in ("text", b"bytes", os.urandom(100_000)):
                await client.send(message)
                assert await client.recv() == message

    run(main())
