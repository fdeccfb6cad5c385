"""The parser beside llhttp, httptools and h11: all act on the same requests, but for named differences.

VELOCEM_EXAMPLES=1000000 looks for new ones; without it the examples are always the same.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.parsers import ROOT, Ours, Parsed, Verdict, by_h11, by_httptools, by_llhttp, compile_ours

PARSERS = {"llhttp": by_llhttp, "httptools": by_httptools, "h11": by_h11}
LLHTTP = frozenset({"llhttp", "httptools"})  # the latter wraps an older version of the former
H11 = frozenset({"h11"})
ALL = LLHTTP | H11


class Difference(NamedTuple):
    """One parser acts on a request and the other does not; docs/http1.md tells the reader why."""

    parsers: frozenset[str]
    why: str  # told by the one that refuses
    section: str
    name: str
    methods: frozenset[str] = frozenset()  # only of these, if any


UPGRADED = "upgrade"

# They take it, we do not.
REFUSED_HERE = [
    Difference(ALL, "bad target", "9112 3.2", "a target in none of the four forms"),
    Difference(ALL, "version is not HTTP/1", "9110 15.6.6", "another major version"),
    Difference(ALL, "no Host field", "9112 3.2", "no Host"),
    Difference(ALL, "invalid Host field", "9112 3.2", "an invalid Host"),
    Difference(ALL, "repeated field that must be single", "9112 3.2", "a field sent twice"),
    Difference(ALL, "invalid Transfer-Encoding", "9112 6.1", "Transfer-Encoding in HTTP/1.0, or one we cannot decode"),
    Difference(ALL, "CONNECT", "9110 9.3.6", "CONNECT"),
    Difference(LLHTTP, "transfer coding not supported", "9112 6.1", "codings before chunked"),
    Difference(LLHTTP, "bad version", "9112 3", "more than one space"),
    Difference(LLHTTP, "empty target", "9112 3", "more than one space"),
    Difference(LLHTTP, "request line without a version", "9112 3", "HTTP/0.9"),
    Difference(LLHTTP, "bare LF", "9112 2.2", "HTTP/0.9"),
    Difference(LLHTTP, "bare CR", "9112 2.2", "a bare CR in front of a request"),
    Difference(LLHTTP, "closed", "9112 9.3", "close beside keep-alive"),
    Difference(H11, "bare LF", "9112 2.2", "a bare LF for a line end"),
    Difference(H11, "bare CR", "9112 2.2", "anything in a chunk extension"),
    Difference(H11, "folded field line", "9112 5.2", "a folded field"),
    Difference(H11, "bad byte in a trailer name", "9112 5.2", "a folded field"),
    Difference(H11, "control byte in a trailer value", "9110 5.5", "control bytes in a value"),
    Difference(H11, "control byte in a field value", "9110 5.5", "control bytes in a value"),
    Difference(H11, "method in the wrong case", "9110 9.1", "a known method in another case"),
    Difference(H11, "method too long", "9110 9.1", "a method above 32 bytes"),
    Difference(H11, "invalid Content-Length", "9110 8.6", "a list of lengths"),
    Difference(H11, "bad byte in a chunk size", "9112 7.1", "whitespace behind a chunk size"),
    Difference(H11, "chunk extension without a name", "9112 7.1.1", "anything in a chunk extension"),
    Difference(ALL, "chunk extension without a value", "9112 7.1.1", "anything in a chunk extension"),
    Difference(H11, "bad byte in a chunk extension", "9112 7.1.1", "anything in a chunk extension"),
    Difference(H11, "control byte in a chunk extension", "9112 7.1.1", "anything in a chunk extension"),
    Difference(H11, "framing field or Host in the trailers", "9110 6.5.1", "framing fields in the trailers"),
]

# We take it, they do not.
TAKEN_HERE = [
    Difference(LLHTTP, "Invalid method encountered", "9110 9.1", "a method that is not known"),
    Difference(LLHTTP, "Expected space after method", "9110 9.1", "a method that is not known"),
    Difference(LLHTTP, "Expected HTTP/2 Connection Preface", "9110 9.1", "PRI as a method", frozenset({"PRI"})),
    Difference(LLHTTP, "", "9110 9.1", "PRI as a method", frozenset({"PRI"})),
    Difference(LLHTTP, "Invalid HTTP version", "9110 2.5", "a higher minor version"),
    Difference(LLHTTP, UPGRADED, "9110 7.8", "an upgrade that is not offered"),
    Difference(LLHTTP, "Invalid character in Content-Length", "9110 5.5", "a tab behind Content-Length"),
    Difference(H11, "no request line received", "9112 2.2", "empty lines in front of a request"),
    Difference(H11, "closed", "9112 9.3", "keep-alive in HTTP/1.0"),
]


# --- the inputs ------------------------------------------------------------------------------------------------------

METHODS = [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"BREW", b"get", b"G@T", b"CONNECT", b"PRI",
           b"M" * 33]  # fmt: skip
TARGETS = [
    b"/",
    b"/a?b=c",
    b"http://h/p",
    b"//x",
    b"*",
    b"h:443",
    b"/a#b",
    b"/\xc3\xa9",
    b"/a b",
    b"http://u@h/",
    b"?x",
    b"/\x7f",
]
VERSIONS = [b"HTTP/1.1"] * 6 + [
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/1.10",
    b"http/1.1",
    b"HTTP/0.9",
    b"HTTP/1",
]
FIELDS = [
    *(b"Host: h", b"Content-Length: 5", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Connection: close"),
    *(
        b"Connection: keep-alive",
        b"Accept: x, y",
        b"X-Y:z",
        b"A:  b \t",
        b"A:",
        b"Cookie: a=b",
        b"Expect: 100-continue",
    ),
]
ODD_FIELDS = [
    *(
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
        b"Content-Length: 05",
        b"Content-Length:",
        b"Content-Length: 5\t",
    ),
    *(b"Content-Length: 99999999999999999999", b"Content-Length : 5", b"Content-Length: 5 5", b"Content-Length: 0x5"),
    *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: Chunked"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding: x", b"Transfer-Encoding: chunked, chunked"),
    *(
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer-Encoding: \tchunked ",
        b"transfer-encoding:chunked",
        b"Transfer-Encoding:",
    ),
    *(
        b"A : b",
        b" A: b",
        b"\tfold",
        b"A",
        b": b",
        b"A: \x01",
        b"A: \xff\xe9",
        b"A: \0",
        b"A: \x7f",
        b"A\xe9: b",
        b"A(b): c",
    ),
    *(
        b"Host: a b",
        b"Host: x/y",
        b"Host:",
        b"Connection: upgrade",
        b"Upgrade: foo",
        b"A_b: c",
        b"A: b\rc",
        b"Connection: close, x",
    ),
]
BODIES = [
    *(b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n", b""),
    *(b"5\nhello\n0\n\n", b"5\r\nhello0\r\n\r\n", b"05\r\nhello\r\n00\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"),
    *(b"5;\r\nhello\r\n0\r\n\r\n", b'5;a="b"\r\nhello\r\n0\r\n\r\n', b"5 ;a\r\nhello\r\n0\r\n\r\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    *(b"0\r\nContent-Length: 4\r\n\r\n", b"fffffffffffffffff\r\n", b"5\r\nhello\r\n0\r\nA\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"+5\r\nhello\r\n"),
]  # fmt: skip
ODD_BYTES = [b"\0", b"\n", b"\r", b"\r\n", b" ", b"\t", b"\x0b", b":", b"\x7f", b"\x80", b"\xff", b"0", b"5", b",", b";", b"=", b'"', b"\\",
             b"a", b"#", b"?", b"@", b"+", b"-", b"_"]  # fmt: skip


def mostly(usual: list[bytes], odd: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.integers(0, 5).flatmap(lambda n: st.sampled_from(odd if n == 5 else usual))


line_ends = st.integers(0, 40).map(lambda n: {37: b"\n", 38: b"\r", 39: b"\r\r\n", 40: b"\n\r"}.get(n, b"\r\n"))
spaces = st.integers(0, 30).map(lambda n: {29: b"  ", 30: b"\t"}.get(n, b" "))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """By the grammar, mostly."""
    first = draw(mostly(METHODS[:5], METHODS)) + draw(spaces) + draw(mostly(TARGETS[:4], TARGETS)) + draw(spaces)
    lines = [first + draw(st.sampled_from(VERSIONS))]
    lines += draw(st.lists(mostly(FIELDS, ODD_FIELDS), max_size=4))
    if draw(st.integers(0, 9)):
        lines.append(b"Host: h")
    head = b"".join(line + draw(line_ends) for line in [*lines, b""])
    chunked = any(line.lower().startswith(b"transfer") for line in lines)
    if chunked or any(line.lower().startswith(b"content-l") for line in lines):
        head += draw(st.sampled_from(BODIES[1:] if chunked else BODIES[:1] * 5 + BODIES))
    return head


@st.composite
def connections(draw: st.DrawFn) -> bytes:
    """Up to three requests, with some bytes wrong."""
    data = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    if draw(st.integers(0, 9)) == 0:
        data = b"\r\n" + data
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        at = draw(st.integers(0, len(data) - 1))
        left_out = draw(st.integers(0, 2))
        data = data[:at] + draw(st.sampled_from([b"", *ODD_BYTES])) + data[at + left_out :]
    return data or b"\r\n"


# --- the comparison --------------------------------------------------------------------------------------------------


def comparable(request: Parsed) -> Parsed:
    """llhttp keeps the whitespace behind a value (RFC 9110 5.5 has it left out); h11 writes codings in lower case."""
    fields = [(name, value.rstrip(" \t")) for name, value in request.fields]
    fields = [(name, value.lower() if name == "transfer-encoding" else value) for name, value in fields]
    return request._replace(fields=fields)


def difference(ours: Verdict, theirs: Verdict) -> tuple[str, str, str] | None:
    """Who refuses the first request that only one of the two acts on, why, and the method of that request."""
    for mine, other in zip(ours.requests, theirs.requests, strict=False):
        if theirs.stop == UPGRADED and other is theirs.requests[-1]:
            other = other._replace(body=mine.body)  # noqa: PLW2901  # left to the protocol that they switch to
        assert comparable(mine) == comparable(other), "the same request, read in two ways"
    count = min(len(ours.requests), len(theirs.requests))
    if len(theirs.requests) > count:
        return "ours", ours.stop, theirs.requests[count].method
    if len(ours.requests) > count:
        return "theirs", theirs.stop, ours.requests[count].method
    return None


def named(parser: str, who: str, why: str, method: str) -> Difference | None:
    for row in REFUSED_HERE if who == "ours" else TAKEN_HERE:
        if parser in row.parsers and row.why == why and (not row.methods or method in row.methods):
            return row
    return None


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    program = compile_ours(tmp_path_factory.mktemp("serve_http1"))
    if program is None:
        pytest.skip("no C compiler")
    with Ours(program) as ours:
        yield ours


EXAMPLES = int(os.environ.get("VELOCEM_EXAMPLES", "0"))


@pytest.mark.timeout(0 if EXAMPLES else 120)
@settings(
    max_examples=EXAMPLES or 1500,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=connections())
def test_only_named_differences(ours: Ours, data: bytes) -> None:
    mine = ours(data)
    for name, parse in PARSERS.items():
        found = difference(mine, parse(data))
        assert found is None or named(name, *found), (name, found)


@pytest.mark.parametrize(
    ("data", "parser", "name"),
    [
        (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "llhttp", "more than one space"),
        (b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n", "llhttp", "more than one space"),
        (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", "llhttp", "a target in none of the four forms"),
        (b"GET /\r\n\r\n", "llhttp", "HTTP/0.9"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "llhttp", "a field sent twice"),
        (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", "llhttp", "a higher minor version"),
        (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "llhttp", "a method that is not known"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\t\r\n\r\nx", "llhttp", "a tab behind Content-Length"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "llhttp", "codings before chunked"),
        (b"GET / HTTP/1.1\nHost: h\n\n", "h11", "a bare LF for a line end"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", "h11", "a folded field"),
        (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", "h11", "a known method in another case"),
        (b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "h11", "empty lines in front of a request"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", "h11", "a list of lengths"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n", "h11", "whitespace behind a chunk size"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0;=\r\n\r\n", "h11", "anything in a chunk extension"),
    ],
)  # fmt: skip
def test_a_named_difference_is_there(ours: Ours, data: bytes, parser: str, name: str) -> None:
    """The table does not outlive the parsers it speaks of."""
    found = difference(ours(data), PARSERS[parser](data))
    assert found is not None
    row = named(parser, *found)
    assert row is not None
    assert row.name == name


def test_plain_requests_are_the_same_to_all(ours: Ours) -> None:
    data = b"GET /a?b HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
    for parse in PARSERS.values():
        assert parse(data) == ours(data)
        assert len(parse(data).requests) == 2


def test_every_difference_is_explained() -> None:
    page = Path(ROOT, "docs/http1.md").read_text(encoding="utf-8").lower()
    missing = {row.name for row in REFUSED_HERE + TAKEN_HERE if row.name.lower() not in page}
    assert not missing
