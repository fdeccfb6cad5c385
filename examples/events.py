"""Server-sent events: the return type says it, and a client that comes back goes on where it was."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from velocem import App, Event, EventStream, Header

app = App()


class Tick(Struct):
    """One of them."""

    n: int


async def feed(after: int) -> AsyncIterator[Tick]:
    """What happens, from the next on."""
    n = after
    while True:
        n += 1
        yield Tick(n)
        await asyncio.sleep(0.1)


@app.get("/ticks")
async def ticks(last_event_id: Header[str] = "0") -> EventStream[Tick]:
    """A plain Tick is an event of data alone; Event adds the id that a client comes back with."""
    async for tick in feed(int(last_event_id)):
        yield Event(tick, id=str(tick.n))


@app.get("/news")
def news() -> EventStream[Tick]:
    """What is published to a topic, to any number of clients."""
    return app.events("news")


@app.post("/news")
def publish(n: int) -> None:
    """To all of them."""
    app.publish("news", Tick(n))


@app.get("/lines")
async def lines(n: int = 3) -> AsyncIterator[Tick]:
    """JSON Lines, made no faster than the client takes them."""
    for i in range(n):
        yield Tick(i)
