"""Which routes of a table a path can be: what each framework's own search is narrowed to."""

from collections.abc import Iterable
from typing import NamedTuple

from velocem._core import RouterBase

MOST_SEGMENTS, MOST_PARAMETERS, MOST_ROUTES, MOST_BYTES = 64, 32, 65535, 2000


class Shape(NamedTuple):
    """What paths of a route look like, or more than these: a slash at the end is neither here nor there."""

    segments: tuple[str | None, ...]  # text, or any that is not empty
    is_open: bool  # anything may stand behind


ANYTHING = Shape((), True)


class Narrowing(RouterBase):
    """Routes by their numbers, each with a shape that has all of its paths."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._options(True, True, False, False, True)
        for shape in shapes:
            segments, is_open = fitting(shape)
            parts = [f"{{p{i}}}" if text is None else escaped(text) for i, text in enumerate(segments)]
            self._add(None, "/" + "/".join(parts), "", is_open, None, None)
        self.freeze()

    def candidates(self, path: str) -> list[int] | None:
        """Numbers of those that the path can be, as they were added; None when that cannot be said."""
        if not path.startswith("/") or "//" in path or "\n" in path or "\0" in path or not is_text(path):
            return None
        return self._candidates(path)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def is_text(path: str) -> bool:
    if path.isascii():
        return True
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def fitting(shape: Shape) -> Shape:
    """Cut where it is more than a router takes, and open from there."""
    segments = shape.segments
    size = 0
    for i, text in enumerate(segments):
        size += len(text.encode("utf-8", "replace")) + 1 if text is not None else 8
        parameters = sum(each is None for each in segments[: i + 1])
        if i == MOST_SEGMENTS or parameters > MOST_PARAMETERS or size > MOST_BYTES or not usable(text):
            return Shape(segments[:i], True)
    return shape


def usable(text: str | None) -> bool:
    """An empty segment would be cut by who merges slashes, and surrogates and NUL are in no path of ours."""
    return text is None or (text != "" and "\0" not in text and is_text(text))
