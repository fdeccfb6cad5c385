"""getaddrinfo: addresses are answered at once, names are looked up in a thread."""

import asyncio
import socket
from typing import Any

import pytest
from support.loops import only_ours, run

ADDRESSES = ("127.0.0.1", "::1", "fe80::1%lo", "0.0.0.0", "::")


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the executor is asked for."""
    asked: list[Any] = []
    original: Any = asyncio.BaseEventLoop.run_in_executor

    def run_in_executor(loop: Any, executor: Any, function: Any, *args: Any) -> Any:
        asked.append(args)
        return original(loop, executor, function, *args)

    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", run_in_executor)
    return asked


@pytest.mark.parametrize("host", ADDRESSES)
@pytest.mark.parametrize("kind", [0, socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("port", [None, 0, 8080])
def test_an_address_is_answered_as_the_socket_module_does(host: str, kind: int, port: int | None) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        expected = socket.getaddrinfo(host, port, type=kind)
        assert await loop.getaddrinfo(host, port, type=kind) == expected

    run(main())


@only_ours
def test_an_address_needs_no_thread(in_threads: list[Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for host in ADDRESSES:
            await loop.getaddrinfo(host, 80)
        assert not in_threads
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("127.0.0.1", 80, family=socket.AF_INET6)

    run(main())


def test_a_name_is_looked_up_in_a_thread(in_threads: list[Any]) -> None:
    async def main() -> None:
        found = await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert {info[4][0] for info in found} <= {"127.0.0.1", "::1"}
        assert len(in_threads) == 1

    run(main())


@pytest.mark.parametrize("host", ["1.2.3.4.5", "999.0.0.1", "fe80::1::2", "1:2"])
def test_what_only_looks_like_an_address_is_no_address(host: str) -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror):
            await asyncio.get_running_loop().getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)

    run(main())
