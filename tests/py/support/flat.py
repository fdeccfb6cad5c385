"""Whether a server holds, after many requests, what it held before: it tells of itself at /held."""

import time
from collections.abc import Callable
from typing import NamedTuple

from support.client import Client, request

Use = Callable[[tuple[str, int], bytes, int], None]

TRAIN = 100  # requests pipelined at a time

# One leaked object of the smallest size a request would be 1.6 MiB and 100,000 blocks.
RESIDENT_GROWTH = 1 << 20
BLOCKS_GROWTH = 1_000


class Held(NamedTuple):
    resident: int
    blocks: int
    descriptors: int


def look(client: Client) -> Held:
    """When there is room for it: what vanished clients have asked for may still fill the queue."""
    until = time.monotonic() + 60
    while (answer := client.ask(request("GET", "/held"))).status == 503 and time.monotonic() < until:
        time.sleep(0.05)
    return Held(*map(int, answer.body.split()))


def held(address: tuple[str, int]) -> Held:
    """The smallest of some looks: the kernel returns pages when it likes."""
    with Client(address) as client:
        looks = [look(client) for _ in range(5)]
    return Held(*map(min, zip(*looks, strict=True)))


class Counting(Client):
    """A client that knows how many bytes came."""

    received = 0

    def fill(self) -> None:
        before = len(self.pending)
        super().fill()
        self.received += len(self.pending) - before


def pipeline(address: tuple[str, int], data: bytes, count: int) -> None:
    """Every answer has the size of the first: the fields are the same, and a date has a fixed length."""
    head = data.startswith(b"HEAD ")
    with Counting(address) as client:
        client.ask(data, head=head)
        size = client.received
        train, buffer = data * TRAIN, bytearray(TRAIN * size)
        for _ in range(count // TRAIN):
            client.send(train)
            view = memoryview(buffer)
            while view:
                got = client.sock.recv_into(view)
                assert got, "the connection ended"
                view = view[got:]
        assert client.ask(data, head=head).status


def vanish(address: tuple[str, int], data: bytes, count: int) -> None:
    for _ in range(count):
        client = Client(address)
        client.send(data)
        client.reset()


def stays_flat(address: tuple[str, int], use: Use, data: bytes, count: int) -> None:
    use(address, data, count // 5)
    before = held(address)
    use(address, data, count)
    after = held(address)
    assert after.descriptors <= before.descriptors
    assert after.blocks - before.blocks < BLOCKS_GROWTH
    assert after.resident - before.resident < RESIDENT_GROWTH
