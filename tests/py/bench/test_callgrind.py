"""Reading callgrind's dumps: a small one, whose sums can be done by hand."""

from pathlib import Path

import callgrind
import pytest

# work() of environ.c calls text() of text.c, which was partly inlined into it, and both call into libc. fi= goes into
# an inlined file, fe= back; two numbers are a line and what it cost, behind calls= what the call cost.
DUMP = """\
# callgrind format
events: Ir
summary: 171

ob=/usr/lib/_core.cpython-311-x86_64-linux-gnu.so
fl=/nowhere/src/room/environ.c
fn=work.lto_priv.0
10 40
fi=/nowhere/src/room/text.c
5 6
cob=/usr/lib/libc.so.6
cfi=./string/memcpy.c
cfn=memcpy
calls=2 1
5 20
fe=/nowhere/src/room/environ.c
cfi=/nowhere/src/room/text.c
cfn=text
calls=3 1
11 45

fl=/nowhere/src/room/text.c
fn=text
1 15
cob=/usr/lib/libc.so.6
cfi=./string/memcpy.c
cfn=memcpy
calls=3 1
2 30

fl=/nowhere/src/room/conn.c
fn=other
1 60
cfn=other
calls=1 1
2 7

ob=/usr/lib/libc.so.6
fl=./string/memcpy.c
fn=memcpy
1 50
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "dump"
    path.write_text(DUMP)
    return path


SOURCE = """\
/* Text. */
static int first(int a) {
    return a;
}
int second(int a) {
    return a;
}
"""


@pytest.fixture
def profile(path: Path) -> callgrind.Profile:
    return callgrind.Reader(path).profile


def test_total_is_what_functions_spent_themselves(path: Path, profile: callgrind.Profile) -> None:
    assert profile.total == callgrind.total(path) == 171


def test_functions_lose_what_the_linker_added_to_their_names(profile: callgrind.Profile) -> None:
    assert profile.own["work"] == 46
    assert profile.inclusive["work"] == 46 + 20 + 45


def test_recursion_counts_once(profile: callgrind.Profile) -> None:
    assert profile.inclusive["other"] == 60


def test_calls_are_counted_and_their_callers_known(profile: callgrind.Profile) -> None:
    assert profile.calls == {"memcpy": 5, "text": 3, "other": 1}
    assert profile.callers["memcpy"] == {"work": 2, "text": 3}


def test_objects_have_what_their_code_spent(profile: callgrind.Profile) -> None:
    assert profile.objects == {"_core.cpython-311-x86_64-linux-gnu.so": 121, "libc.so.6": 50}


def test_files_have_their_code_wherever_it_was_inlined_and_its_calls(profile: callgrind.Profile) -> None:
    assert profile.spent_by("room/environ.c") == 40 + 45
    assert profile.spent_by("room/text.c") == 6 + 20 + 15 + 30
    assert profile.spent_by("room/environ.c", "room/text.c") == 40 + 6 + 20 + 15 + 30
    assert profile.spent_by("environ.c") == 0


def test_dump_without_a_summary_is_none(tmp_path: Path) -> None:
    (tmp_path / "dump").write_text("events: Ir\n")
    with pytest.raises(ValueError, match="no dump"):
        callgrind.total(tmp_path / "dump")


def test_lines_of_our_sources_belong_to_the_function_around_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callgrind, "ROOT", tmp_path)
    (tmp_path / "src" / "room").mkdir(parents=True)
    (tmp_path / "src" / "room" / "text.c").write_text(SOURCE)
    (tmp_path / "dump").write_text(DUMP)
    own = callgrind.Reader(tmp_path / "dump").profile.own
    assert own["second (room/text.c)"] == 6
    assert own["text.c"] == 15
    assert own["work"] == 40
