"""The same answers wherever TCP cuts a request."""

import pytest
from support.client import Client, request
from support.echo import check_refusal, seen_by

from velocem import Server

REQUESTS: dict[str, bytes] = {
    "GET": b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n",
    "empty lines in front": b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "absolute form": b"GET http://[::1]:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n",
    "whitespace": b"GET / HTTP/1.1\r\nHost:h\r\nA: \t b c\t \r\nB:\r\n\r\n",
    "obs-text": b"GET / HTTP/1.1\r\nHost: h\r\nA: \xff\xc3\xa9\r\n\r\n",
    "length": b"POST /l HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\nhello\r\n\r\nGET",
    "chunked": b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n\n\r\n0\r\n\r\n",
    "extensions and trailers": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'05;a=b;c="\\"d";e\r\nhello\r\n00;z\r\nA: b\r\nC: d\r\n\r\n',
    "1.0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HEAD": b"HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    "two": b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
}

REFUSED: dict[str, tuple[bytes, int]] = {
    "bare LF": (b"GET / HTTP/1.1\r\nHost: h\n\r\n", 400),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    "chunk": (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n", 400),
    "trailer": (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nhost: x\r\n\r\n", 400),
    "coding": (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "version": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
}

Answer = tuple[int, str, dict[str, str], str]
HEAD_ANSWER: Answer = (200, "HEAD", {}, "")


def answers(client: Client, name: str) -> list[Answer]:
    """What came back, without the port of the client."""
    if name == "HEAD":
        assert client.read(head=True).status == 200
        return [HEAD_ANSWER]
    found: list[Answer] = []
    for _ in range(2 if name == "two" else 1):
        response = client.read()
        seen = seen_by(response)
        environ = {key: value for key, value in seen.environ.items() if key != "REMOTE_PORT"}
        found.append((response.status, seen.path, environ, seen.body))
    return found


@pytest.mark.parametrize("name", REQUESTS)
def test_a_cut_at_every_byte(server: Server, name: str) -> None:
    data = REQUESTS[name]
    with Client(server) as client:
        client.send(data)
        whole = answers(client, name)
        for at in range(1, len(data)):
            client.send_split(data, [at])
            assert answers(client, name) == whole, at


@pytest.mark.parametrize("name", REQUESTS)
def test_byte_by_byte(server: Server, name: str) -> None:
    data = REQUESTS[name]
    with Client(server) as client:
        client.send(data)
        whole = answers(client, name)
        client.send_split(data, range(1, len(data)), pause=0.0005)
        assert answers(client, name) == whole


@pytest.mark.parametrize("name", REFUSED)
def test_refused_at_every_cut(server: Server, name: str) -> None:
    data, status = REFUSED[name]
    for at in range(1, len(data), 2):
        with Client(server) as client:
            client.send_split(data, [at])
            check_refusal(client, status, data)


def test_two_connections_take_turns_byte_by_byte(server: Server) -> None:
    """The parts of one are not taken for the other's: heads are parsed in a buffer that all connections share."""
    first = REQUESTS["extensions and trailers"]
    second = request("PATCH", "/other", "X-Other: yes", "Cookie: other", body=b"another body")
    with Client(server) as one, Client(server) as two:
        for at in range(max(len(first), len(second))):
            one.send(first[at : at + 1])
            two.send(second[at : at + 1])
        seen = [seen_by(client.read()) for client in (one, two)]
    assert [found.body for found in seen] == ["hello", "another body"]
    assert "HTTP_X_OTHER" not in seen[0].environ
    assert seen[1].environ["HTTP_X_OTHER"] == "yes"


def test_a_train_cut_anywhere(server: Server) -> None:
    train = b"".join(request("POST", f"/{n}", body=b"b" * n) for n in range(1, 40))
    for step in (1, 7, 61, 500):
        with Client(server) as client:
            client.send_split(train, range(step, len(train), step), pause=0 if step == 1 else 0.0002)
            for n in range(1, 40):
                seen = seen_by(client.read())
                assert (seen.path, len(seen.body)) == (f"/{n}", n)
