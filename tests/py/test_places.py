"""Places to listen at, as text: every form, and what is none."""

import pytest

from velocem.exceptions import ConfigError
from velocem.places import Descriptor, Place, Systemd, Tcp, Unix, parse


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("example.org:80", Tcp("example.org", 80)),
        ("example.org", Tcp("example.org", 8000)),
        ("127.0.0.1:0", Tcp("127.0.0.1", 0)),
        (":65535", Tcp("", 65535)),
        ("[::]:80", Tcp("::", 80)),
        ("[fe80::1%eth0]", Tcp("fe80::1%eth0", 8000)),
        ("tcp://[::1]:80", Tcp("::1", 80)),
        ("unix:/run/a.sock", Unix("/run/a.sock")),
        ("unix:///run/a.sock", Unix("/run/a.sock")),
        ("unix:a b:c.sock", Unix("a b:c.sock")),
        ("unix:@name", Unix("@name")),
        ("unix:./@name", Unix("./@name")),
        ("fd://0", Descriptor(0)),
        ("systemd", Systemd()),
        ("systemd:web", Systemd("web")),
        ("unix", Tcp("unix", 8000)),
        ("fd:80", Tcp("fd", 80)),
        ("uwsgi:80", Tcp("uwsgi", 80)),
        ("uwsgi://127.0.0.1:3031", Tcp("127.0.0.1", 3031, "uwsgi")),
        ("uwsgi://:3031", Tcp("", 3031, "uwsgi")),
        ("uwsgi+tcp://[::1]:3031", Tcp("::1", 3031, "uwsgi")),
        ("uwsgi+unix:/run/a.sock", Unix("/run/a.sock", "uwsgi")),
        ("uwsgi://unix:/run/a.sock", Unix("/run/a.sock", "uwsgi")),
        ("uwsgi+fd://3", Descriptor(3, "uwsgi")),
        ("uwsgi+systemd:web", Systemd("web", "uwsgi")),
    ],
)
def test_every_form(text: str, place: Place) -> None:
    assert parse(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "a:80",
        "*:80",
        "[::1]:80",
        "unix:/a",
        "unix:@a",
        "fd://3",
        "systemd",
        "systemd:a",
        "uwsgi://a:80",
        "uwsgi+unix:/a",
        "uwsgi+fd://3",
        "uwsgi+systemd",
    ],
)
def test_each_is_shown_as_it_is_written(text: str) -> None:
    assert str(parse(text.replace("*", ""))) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "8000", "80:80", "a:", "a:b", "a:-1", "a:65536", "a:+1", "a:8_0", "a:٣", "a:" + "9" * 5000),
        *("[::1", "[::1]80", "[::1]:", "[]:80", "[a]:80", "/run/a.sock", "http://a:80", "http://a", "fd://", "fd://x"),
        *("fd://-1", "fd://9999999", "systemd:", "a/b:80", "tcp://unix:/a"),
        *("uwsgi://", "uwsgi+", "uwsgi+uwsgi://a", "uwsgi://http://a", "uwsgi+8000"),
    ],
)
def test_what_has_none_of_the_forms(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse(text)
    assert not isinstance(caught.value, ConfigError)


@pytest.mark.parametrize("text", ["::1", "::1:80", "a:b:c"])
def test_an_ipv6_address_needs_brackets(text: str) -> None:
    with pytest.raises(ConfigError, match="an IPv6 address stands in brackets"):
        parse(text)


@pytest.mark.parametrize("text", ["unix:", "unix://", "unix:@"])
def test_a_unix_socket_needs_a_path(text: str) -> None:
    with pytest.raises(ConfigError, match="has no path"):
        parse(text)


def test_a_path_may_have_107_bytes_and_a_name_too() -> None:
    for text in ("unix:" + "a" * 107, "unix:" + "ä" * 53, "unix:@" + "a" * 107):
        assert isinstance(parse(text), Unix)
    for text in ("unix:" + "a" * 108, "unix:" + "ä" * 54, "unix:@" + "a" * 108):
        with pytest.raises(ConfigError, match="is longer than the 107 bytes that the system takes"):
            parse(text)
