"""Whether a server holds, after many requests, what it held before: it tells of itself at /held."""

import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from support.client import Client, request

Address = tuple[str, int]
Use = Callable[[Address, bytes, int], None]

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


def held(address: Address) -> Held:
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


def pipeline(address: Address, data: bytes, count: int) -> None:
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


def vanish(address: Address, data: bytes, count: int) -> None:
    for _ in range(count):
        client = Client(address)
        client.send(data)
        client.reset()


# On WebSockets: data is the path, a space, and what is sent.


def hand_shake(path: str) -> bytes:
    fields = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    return request("GET", path, *fields, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def frame(opcode: int, data: bytes) -> bytes:
    """Masked, with a mask of zeros."""
    return bytes([0x80 | opcode, 0x80 | len(data)]) + bytes(4) + data


def talk(address: Address, data: bytes, count: int) -> None:
    """Ten messages on each connection, and an end by a close frame."""
    path, _, message = data.partition(b" ")
    for _ in range(count // 10):
        with Client(address) as client:
            client.send(hand_shake(path.decode()))
            assert client.read_status()[0] == 101
            client.read_fields()
            for _ in range(10):
                client.send(frame(1, message))
                assert client.take(2 + len(message))[2:] == message
            client.send(frame(8, struct.pack("!H", 1000)))
            client.read_all_of_broken()


def vanish_in_talk(address: Address, data: bytes, count: int) -> None:
    path, _, message = data.partition(b" ")
    vanish(address, hand_shake(path.decode()) + frame(1, message), count)


def break_a_rule(address: Address, data: bytes, count: int) -> None:
    """Frames that a client must not send, which the server answers by a close, and a close."""
    path, _, bad = data.partition(b" ")
    for _ in range(count):
        with Client(address) as client:
            client.send(hand_shake(path.decode()) + bad + frame(8, struct.pack("!H", 1000)))
            assert client.read_status()[0] == 101
            client.read_all_of_broken()


def stays_flat(address: Address, use: Use, data: bytes, count: int) -> None:
    use(address, data, count // 5)
    before = held(address)
    use(address, data, count)
    after = held(address)
    assert after.descriptors <= before.descriptors
    assert after.blocks - before.blocks < BLOCKS_GROWTH
    assert after.resident - before.resident < RESIDENT_GROWTH
