"""httpx on the loop, against Velocem's own server in a thread and against a server of streams on the same loop."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest
from support.certificates import Pair
from support.loops import check_running, run

from velocem import Server
from velocem.types import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Method", environ["REQUEST_METHOD"])])
    return [body] if body else iter([b"part "] * 1000)


def test_bodies_come_back() -> None:
    async def main(base: str) -> None:
        async with httpx.AsyncClient(base_url=base) as client:
            for size in (1, 1000, 1 << 20):
                body = os.urandom(size)
                response = await client.post("/", content=body)
                assert (response.status_code, response.headers["x-method"]) == (200, "POST")
                assert response.content == body

    with Server(app) as server:
        run(main(server.url))


def test_a_hundred_requests_at_once() -> None:
    async def main(base: str) -> None:
        async with httpx.AsyncClient(base_url=base, limits=httpx.Limits(max_connections=10)) as client:

            async def ask(number: int) -> str:
                return (await client.post("/", content=str(number))).text

            assert await asyncio.gather(*map(ask, range(100))) == [str(number) for number in range(100)]

    with Server(app) as server:
        run(main(server.url))


def test_streams_both_ways() -> None:
    async def upload() -> AsyncIterator[bytes]:
        for number in range(100):
            await asyncio.sleep(0)
            yield b"%d " % number

    async def main(base: str) -> None:
        async with httpx.AsyncClient(base_url=base) as client:
            assert (await client.post("/", content=upload())).content == b"".join(b"%d " % n for n in range(100))
            async with client.stream("GET", "/") as response:
                received = [part async for part in response.aiter_raw()]
            assert b"".join(received) == b"part " * 1000

    with Server(app) as server:
        run(main(server.url))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads, and answers never."""
    try:
        while await reader.read(1000):
            pass
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    check_running()
    while head := await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))
        await writer.drain()
        if b"Connection: close" in head:
            break
    writer.close()
    await writer.wait_closed()


def test_a_timeout_ends_the_request() -> None:
    async def main() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server, httpx.AsyncClient(timeout=httpx.Timeout(20, read=0.05)) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    run(main())


def test_a_refused_connection() -> None:
    async def main() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{port}")

    run(main())


def test_https_on_the_same_loop(certificate: Pair) -> None:
    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=certificate.server())
        port = server.sockets[0].getsockname()[1]
        async with server, httpx.AsyncClient(verify=certificate.client()) as client:
            headers = {"Connection": "close"}
            responses = await asyncio.gather(
                *(client.get(f"https://127.0.0.1:{port}/{number}", headers=headers) for number in range(20))
            )
            for number, response in enumerate(responses):
                assert response.text.startswith(f"GET /{number} HTTP/1.1\r\n")

    run(main())
