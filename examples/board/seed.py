"""The first messages of a new board, one of them with a picture made here."""

import math
import struct
import time
import zlib

from examples.board import store

WIDTH, HEIGHT = 960, 480
SKY_TOP, SKY_LOW = (38, 52, 94), (250, 176, 120)
NEAR, FAR = (24, 28, 52), (206, 122, 112)
RIDGES = 5
SUN = (640, 226, 46)
GLOW = 420
SUN_COLOUR = (255, 232, 196)

Colour = tuple[int, int, int]

FIRST = [
    (
        52 * 3600,
        "Ada",
        (
            "This board is a small Flask application on SQLite. It knows nothing of the server that runs it: "
            "everything you see came through WSGI."
        ),
        False,
    ),
    (
        29 * 3600,
        "Noor",
        "Search looks at names and texts. Try the word “stream”, or a % sign: 100 % of it is taken literally.",
        False,
    ),
    (
        7 * 3600,
        "Kimi",
        (
            "Open “Live” in a second window and post something here. The page hears of it by server-sent events, and "
            "its own HTML is streamed: the head is on your screen before the first message has been read."
        ),
        False,
    ),
    (
        95 * 60,
        "Tomás",
        (
            "Evening over the hills. The picture leaves by sendfile, straight from the disk to the socket; Python "
            "never touches its bytes."
        ),
        True,
    ),
    (
        12 * 60,
        "Ada",
        (
            "Programs find the same messages as JSON at /api/messages, where q searches and limit and skip choose, "
            "and all of them as CSV at /messages.csv, written one row at a time."
        ),
        False,
    ),
    (
        60,
        "Velocem",
        "Welcome. Write the next message: a name and a few words, and a picture if you like.",
        False,
    ),
]


def fill() -> None:
    now = time.time()
    for age, author, text, has_picture in FIRST:
        store.add(author, text, store.save_picture(hills()) if has_picture else None, now - age)


def hills() -> bytes:
    """A picture in PNG: ridges one behind the other at dusk."""
    sky = [mix(SKY_TOP, SKY_LOW, min(1.0, y / (HEIGHT * 0.58))) for y in range(HEIGHT)]
    return png([b"".join(line) for line in zip(*(column(x, sky) for x in range(WIDTH)), strict=True)])


def column(x: int, sky: list[Colour]) -> list[bytes]:
    """Its pixels from the top: sky down to the farthest ridge, then each ridge down to the next."""
    ends = [*(round(height) for height in ridge_heights(x)), HEIGHT]
    pixels = [bytes(lit(x, y, sky[y])) for y in range(ends[0])]
    for ridge in range(RIDGES):
        colour = bytes(mix(FAR, NEAR, ridge / (RIDGES - 1)))
        pixels += [colour] * (ends[ridge + 1] - len(pixels))
    return pixels


def ridge_heights(x: int) -> list[float]:
    """Where each ridge begins, from the top, the farthest first."""
    return [
        HEIGHT * (0.50 + 0.10 * ridge)
        + 26 * math.sin(x / (150 - 16 * ridge) + ridge * 1.9)
        + 11 * math.sin(x / (47 - 4 * ridge) + ridge * 4.1)
        for ridge in range(RIDGES)
    ]


def lit(x: int, y: int, sky: Colour) -> Colour:
    """The sky with the sun in it, whose edge is one pixel soft and whose glow is seen for a while."""
    distance = math.hypot(x - SUN[0], y - SUN[1])
    if distance > GLOW:
        return sky
    return mix(sky, SUN_COLOUR, max(0.6 * (1 - distance / GLOW) ** 3, min(1.0, SUN[2] - distance)))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    return (
        int(first[0] + (second[0] - first[0]) * share),
        int(first[1] + (second[1] - first[1]) * share),
        int(first[2] + (second[2] - first[2]) * share),
    )


def png(lines: list[bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", WIDTH, len(lines), 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line for line in lines), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
