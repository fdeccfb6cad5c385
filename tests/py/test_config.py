"""The option table: readers, layers, and every way to be refused."""

import inspect
from pathlib import Path

import pytest

from velocem import config
from velocem.config import LATER, TABLE, Config, Options, build, call, command_line, environment, pyproject
from velocem.exceptions import ConfigError
from velocem.places import FORMS, Descriptor, Place, Tcp, Unix


def refusal(*layers: config.Layer) -> str:
    with pytest.raises(ConfigError) as caught:
        build(*layers)
    return str(caught.value)


def test_defaults_are_those_of_the_table() -> None:
    assert build() == Config()
    assert Config().host == "127.0.0.1"


def test_every_default_passes_its_own_reader() -> None:
    for name, row in TABLE.items():
        assert config.read_value(name, row.default, str) == row.default


def test_call_options_are_typed_for_every_row() -> None:
    assert set(Options.__annotations__) == set(TABLE) - {"app"}
    assert not LATER & set(TABLE)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("4096", 4096), ("64k", 65536), ("64K", 65536), ("1m", 1 << 20), ("2g", 2 << 30)]
)
def test_sizes_take_a_suffix(text: str, size: int) -> None:
    assert build(call({"limit_body": text})).limit_body == size


@pytest.mark.parametrize("value", ["", "k", "1t", "-1", "1.5k", "٣", "1 k", "9999999g", True, None, 1.0, -1])
def test_other_sizes_are_refused(value: object) -> None:
    assert "is not a size in bytes" in refusal(call({"limit_body": value}))


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("8000", 8000), (65535, 65535)])
def test_ports(value: object, number: int) -> None:
    assert build(call({"port": value})).port == number


@pytest.mark.parametrize("value", ["65536", "-1", "+1", "0x50", "", " 80", True, 80.0, None, "1_0", "²"])
def test_other_ports_are_refused(value: object) -> None:
    assert refusal(call({"port": value})) == f"port: {value!r} is not a whole number from 0 to 65535"


@pytest.mark.parametrize(("value", "number"), [("0", 0.0), ("2.5", 2.5), (3, 3.0)])
def test_seconds(value: object, number: float) -> None:
    assert build(call({"timeout_header": value})).timeout_header == number


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "", "1s", True, None, 1e9, 10**400])
def test_other_seconds_are_refused(value: object) -> None:
    assert "is not a number of seconds from 0 to 604800" in refusal(call({"timeout_header": value}))


@pytest.mark.parametrize(("value", "on"), [(True, True), ("off", False), ("YES", True), ("0", False)])
def test_flags(value: object, on: bool) -> None:
    assert build(call({"access_log": value})).access_log is on


@pytest.mark.parametrize("value", ["", "maybe", 1, None])
def test_other_flags_are_refused(value: object) -> None:
    assert "is not true or false" in refusal(call({"access_log": value}))


def test_choices() -> None:
    assert build(call({"access_log_format": "json"})).access_log_format == "json"
    assert refusal(call({"access_log_format": "xml"})).endswith("is not one of common, combined, json")


@pytest.mark.parametrize("value", [1, None, "a\0b"])
def test_text_is_text_without_nul(value: object) -> None:
    assert refusal(call({"host": value})) == f"host: {value!r} is not text"


# Where to listen.


def test_places_are_a_list_or_text_with_commas(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.velocem]\nbind = [':80', 'unix:/a,b']\n")
    assert build(pyproject(tmp_path)).bind == (":80", "unix:/a,b")
    assert build(environment({"VELOCEM_BIND": ":80, [::1]:81,"})).places == (Tcp("", 80), Tcp("::1", 81))
    assert build(call({"bind": ("fd://3",)})).places == (Descriptor(3),)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (3, "bind: 3 is not text"),
        ([3], "bind: [3] is not text"),
        (["a:1", "a:1"], "bind: a place is named twice"),
        ([":8000", ":"], f"bind: ':' is not {FORMS}"),
        (["::1"], "bind: '::1': an IPv6 address stands in brackets, as [::1]:8000"),
    ],
)
def test_other_places_are_refused(value: object, line: str) -> None:
    assert refusal(call({"bind": value})) == line


def test_nothing_said_is_no_place() -> None:
    assert build(call({"backlog": 5, "uds": "", "fd": -1, "bind": ()})).places == ()


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"port": 1}, Tcp("127.0.0.1", 1)),
        ({"host": ""}, Tcp("", 8000)),
        ({"host": "[::1]"}, Tcp("::1", 8000)),
        ({"uds": "a.sock"}, Unix("a.sock")),
        ({"uds": "@name"}, Unix("@name")),
        ({"fd": 0}, Descriptor(0)),
    ],
)
def test_one_place_by_the_options_of_others(given: dict[str, object], place: Place) -> None:
    assert build(call(given)).places == (place,)


@pytest.mark.parametrize(
    "given", [{"uds": "a", "port": 1}, {"uds": "a", "fd": 1}, {"bind": ":1", "host": "a"}, {"bind": ":1", "fd": 0}]
)
def test_two_ways_in_one_place_exclude_each_other(given: dict[str, object]) -> None:
    one, other = (name for name in ("bind", "host", "port", "uds", "fd") if name in given)
    assert refusal(call(given)) == f"{one} and {other} exclude each other; bind takes several places"


def test_a_later_layer_overrules_where_to_listen_as_a_whole() -> None:
    tcp, uds, bind = {"host": "a", "port": "1"}, {"uds": "b"}, {"bind": ":2"}
    assert build(call(tcp), call({"port": "0"})).places == (Tcp("a", 0),)
    assert build(call(tcp), call(uds)).places == (Unix("b"),)
    assert build(call(uds), call(bind), call({"port": 3})).places == (Tcp("127.0.0.1", 3),)
    assert build(call(uds), call({"uds": ""})).places == ()
    assert build(call(bind), call({"backlog": 1})).places == (Tcp("", 2),)


@pytest.mark.parametrize(("value", "digits"), [("660", "660"), ("0o600", "600"), ("0777", "0777"), ("0", "0")])
def test_modes_are_octal_text(value: str, digits: str) -> None:
    assert build(call({"uds_mode": value})).uds_mode == digits


@pytest.mark.parametrize("value", ["", "888", "1777", "0x1b0", "-1", "rw", 660, 0o660, None, "00660", "٦٦٠"])
def test_other_modes_are_refused(value: object) -> None:
    assert "is not an octal mode as text, as '660'" in refusal(call({"uds_mode": value}))


# Proxies.


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("", ()),
        ("*", ("*",)),
        ("unix, 127.0.0.1", ("unix", "127.0.0.1")),
        (["10.0.0.0/8,::1", "2001:DB8:0::/32"], ("10.0.0.0/8", "::1", "2001:db8::/32")),
        ("10.0.0.0/255.0.0.0", ("10.0.0.0/8",)),
        ("192.0.2.1/32", ("192.0.2.1",)),
    ],
)
def test_networks(value: object, networks: tuple[str, ...]) -> None:
    assert build(call({"forwarded_allow_ips": value})).forwarded_allow_ips == networks


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("proxy.example", "'proxy.example' does not appear to be an IPv4 or IPv6 network"),
        ("10.0.0.0/33", "'10.0.0.0/33' does not appear to be an IPv4 or IPv6 network"),
        ("fe80::1%eth0", "'fe80::1%eth0' has a zone, which a peer's address is not compared by"),
        (None, "None is not text"),
        ([1], "[1] is not text"),
    ],
)
def test_what_is_no_network_is_refused(value: object, line: str) -> None:
    assert refusal(call({"forwarded_allow_ips": value})) == f"forwarded_allow_ips: {line}"


def test_nobody_is_trusted_and_two_fields_are_read_unless_more_is_said() -> None:
    assert Config().forwarded_allow_ips == ()
    assert Config().proxy_allow_from == ()
    assert Config().forwarded_headers == ("x-forwarded-for", "x-forwarded-proto")
    given = build(call({"forwarded_headers": "X-Forwarded-Host, x-forwarded-for,x-forwarded-for"}))
    assert given.forwarded_headers == ("x-forwarded-host", "x-forwarded-for")
    assert build(call({"forwarded_headers": ["Forwarded"]})).forwarded_headers == ("forwarded",)


def test_uwsgi_is_spoken_with_neighbours_unless_others_are_named() -> None:
    assert Config().uwsgi_allow_from == ("127.0.0.0/8", "::1", "unix")
    assert build(call({"uwsgi_allow_from": "10.0.0.0/8"})).uwsgi_allow_from == ("10.0.0.0/8",)
    assert build(call({"uwsgi_allow_from": ""})).uwsgi_allow_from == ()


@pytest.mark.parametrize(
    ("value", "path"), [("", ""), ("/", ""), ("/app", "/app"), ("/app/", "/app"), ("/a.b/~c/é", "/a.b/~c/é")]
)
def test_root_paths(value: str, path: str) -> None:
    assert build(call({"root_path": value})).root_path == path


@pytest.mark.parametrize(
    "value", ["app", "//", "//app", "/a//b", "/app//", "/a/../b", "/.", "/a?b", "/a#b", "/a%20b", "/a\\b", "/a\nb", 3]
)
def test_other_root_paths_are_refused(value: object) -> None:
    assert refusal(call({"root_path": value})).startswith(f"root_path: {value!r} is not ")


def test_one_family_of_forwarded_headers_excludes_the_other() -> None:
    line = "forwarded and x-forwarded-... exclude each other: a client could send what the proxy does not"
    assert refusal(call({"forwarded_headers": "forwarded,x-forwarded-for"})) == f"forwarded_headers: {line}"
    nothing: list[str] = []
    for value in ("x-real-ip", "", nothing):
        assert "is not a list of x-forwarded-for, " in refusal(call({"forwarded_headers": value}))


def test_other_event_loops_are_refused_with_the_reason() -> None:
    assert build(command_line({"loop": "auto"})).loop == "auto"
    for name in ("asyncio", "uvloop"):
        assert refusal(command_line({"loop": name})).startswith(f"--loop: {name} cannot serve: connections are watched")
    assert refusal(command_line({"loop": "trio"})) == "--loop: 'trio' is not one of velocem, auto"


def test_an_interface_is_one_of_four() -> None:
    assert build(command_line({"interface": "native"})).interface == "native"
    assert refusal(command_line({"interface": "rsgi"})) == "--interface: 'rsgi' is not one of auto, wsgi, asgi, native"


@pytest.mark.parametrize("name", sorted(LATER))
def test_options_of_later_versions_are_refused_from_every_place(name: str, tmp_path: Path) -> None:
    key = name.replace("_", "-")
    (tmp_path / "pyproject.toml").write_text(f"[tool.velocem]\n{key} = 1\n")
    assert refusal(call({name: 1})) == f"{name} is not available in this version"
    assert refusal(environment({f"VELOCEM_{name.upper()}": "1"})) == (
        f"VELOCEM_{name.upper()} is not available in this version"
    )
    assert refusal(pyproject(tmp_path)) == f"[tool.velocem] {key} is not available in this version"


def test_unknown_names_are_refused_from_every_place(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.velocem]\nprot = 1\n")
    assert refusal(call({"prot": 1})) == "prot: no such option; did you mean port?"
    assert refusal(environment({"VELOCEM_PROT": "1"})) == "VELOCEM_PROT: no such option; did you mean VELOCEM_PORT?"
    assert refusal(pyproject(tmp_path)) == ("[tool.velocem] prot: no such option; did you mean [tool.velocem] port?")
    assert refusal(call({"zzz": 1})) == "zzz: no such option"


def test_names_of_other_servers_lead_to_ours() -> None:
    for theirs, ours in config.ELSEWHERE.items():
        assert theirs not in TABLE
        assert ours in {*TABLE, *LATER}
        assert refusal(call({theirs: 1})) == f"{theirs}: no such option; did you mean {ours}?"


def test_a_variable_of_the_platform_stands_below_ours() -> None:
    known = config.conventions({"WEB_CONCURRENCY": "4"})
    assert build(known).workers == 4
    assert build(known, environment({"VELOCEM_WORKERS": "2"})).workers == 2
    assert refusal(config.conventions({"WEB_CONCURRENCY": "many"})).startswith("WEB_CONCURRENCY: 'many' is not")


def test_a_file_for_the_access_log_asks_for_one(tmp_path: Path) -> None:
    assert build(call({"access_logfile": "a"})).access_log
    assert not build(call({"access_logfile": "a", "access_log": False})).access_log
    assert not build().access_log


def test_later_layers_win(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.velocem]\nport = 1\nbacklog = 1\nlimit-body = "1k"\nhost = "a"\n')
    layers = [
        pyproject(tmp_path),
        environment({"VELOCEM_PORT": "2", "VELOCEM_BACKLOG": "2"}),
        command_line({"port": "3"}),
    ]
    got = build(*layers)
    assert (got.port, got.backlog, got.limit_body, got.host) == (3, 2, 1024, "a")


def test_an_overruled_value_is_checked_all_the_same() -> None:
    assert refusal(environment({"VELOCEM_PORT": "x"}), call({"port": 1})).startswith("VELOCEM_PORT: 'x'")


def test_other_variables_are_not_looked_at() -> None:
    assert environment({"PORT": "x", "UVICORN_PORT": "1"}).values == {}


def test_the_application_can_be_named_anywhere_but_in_a_call(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.velocem]\napp = "a:b"\n')
    assert build(pyproject(tmp_path)).app == "a:b"
    with pytest.raises(ConfigError):
        call({"app": "a:b"})


def test_no_pyproject_and_one_without_a_table(tmp_path: Path) -> None:
    assert pyproject(tmp_path).values == {}
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nport = 1\n")
    assert pyproject(tmp_path).values == {}


@pytest.mark.parametrize("content", ["[tool", "tool.velocem = 3", "\x00", "[tool.velocem]\na=1\na=2"])
def test_a_broken_pyproject_is_an_error_that_names_the_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    with pytest.raises(ConfigError, match=r"pyproject\.toml: "):
        pyproject(tmp_path)


def test_every_option_has_help_that_fits_a_line() -> None:
    for row in TABLE.values():
        assert 0 < len(row.metadata["help"]) < 90
    assert list(inspect.signature(Config).parameters) == [*TABLE, "places"]
