"""Header fields as a mapping: names in any case, several values under a name where need be."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import cast

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]
RawPairs = list[tuple[bytes, bytes]]


class Headers(MutableMapping[str, str]):
    """Names are lower case; ``headers[name]`` is the first value, and setting it leaves one."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Pairs = ()) -> None:
        given = cast("Iterable[tuple[str, str]]", pairs.items() if isinstance(pairs, Mapping) else pairs)
        self.pairs: list[tuple[str, str]] = [(name.lower(), value) for name, value in given]

    @classmethod
    def from_raw(cls, raw: Iterable[tuple[bytes, bytes]]) -> "Headers":
        """Of bytes as they were on the wire, latin-1."""
        return cls((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)

    def raw(self) -> RawPairs:
        """For the wire. ValueError for what latin-1 has not."""
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.pairs]

    def all(self, name: str) -> list[str]:
        """Every value under a name, in order."""
        wanted = name.lower()
        return [value for key, value in self.pairs if key == wanted]

    def add(self, name: str, value: str) -> None:
        """One more value, beside those that are there: ``set-cookie``, ``vary``, ``link``."""
        self.pairs.append((name.lower(), value))

    def __getitem__(self, name: str) -> str:
        wanted = name.lower()
        for key, value in self.pairs:
            if key == wanted:
                return value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self.pop(name, None)
        self.add(name, value)

    def __delitem__(self, name: str) -> None:
        wanted = name.lower()
        kept = [pair for pair in self.pairs if pair[0] != wanted]
        if len(kept) == len(self.pairs):
            raise KeyError(name)
        self.pairs = kept

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.pairs))

    def __len__(self) -> int:
        return len({name for name, _ in self.pairs})

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"
