"""A scenario with servers that die, lie and are slow to come: each is reported, and the others are measured."""

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asked import FILE_SIZE, FILLER, Scenario
from entrants import Entrant
from loading import Loader, SilentError
from measures import Bench
from progress import Progress
from scenarios import BY_NAME
from servers import Place, Server, kill, tree_of
from support.benchload import Programs

# Answers right so many times, then does the other thing.
SERVER = """
import os, socket, sys, threading
port, right, then = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
answer = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 13\\r\\n\\r\\nHello, World!"
count = 0
def serve(sock):
    global count
    while data := sock.recv(65536):
        count += 1
        if count > right and then == "die":
            print("RuntimeError: had enough", flush=True)
            os._exit(3)
        sock.sendall(answer if count <= right else answer.replace(b"World", b"Wirld"))
listener = socket.create_server(("127.0.0.1", port), backlog=256)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def entrant(name: str, *words: str, ours: bool = False) -> Entrant:
    return Entrant(name=name, about="", command=("{python}", "-c", *words), ours=ours)


def scripted(name: str, right: int, then: str, ours: bool = False) -> Entrant:
    return entrant(name, SERVER, "{port}", str(right), then, ours=ours)


@pytest.fixture
def bench(programs: Programs, tmp_path: Path) -> Iterator[Bench]:
    place = Place(
        min(os.sched_getaffinity(0)),
        frozenset(os.sched_getaffinity(0)),
        programs.folder / "limit",
        tmp_path,
        tmp_path / "file",
    )
    place.file.write_bytes(FILLER * FILE_SIZE)
    names = ("good", "dying", "lying", "broken", "gone", "limit")
    pythons = dict.fromkeys(names, Path(sys.executable))
    made = Bench(place, pythons, Loader(programs.folder / "load", place, 1, 0.1), Progress(stream=io.StringIO()), 3)
    yield made
    made.pool.stop_all()


def told(bench: Bench) -> str:
    stream = bench.progress.stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


ALWAYS = 1_000_000_000
FLOOR = Entrant(name="limit", about="", command=("{limit}", "--port", "{port}"), interface="limit")


def test_who_dies_or_lies_is_told_and_the_others_go_on(bench: Bench) -> None:
    some = [
        scripted("good", ALWAYS, "", ours=True),
        scripted("dying", 80, "die"),
        scripted("lying", 80, "lie"),
        entrant("broken", "raise SystemExit('ValueError: no such option')"),
        Entrant(name="gone", about="", command=("/no/such/program",)),
        FLOOR,
    ]
    result = bench.measure(BY_NAME["hello"], some)
    assert set(result["entrants"]) == {"good", "limit"}
    assert [sample["round"] for sample in result["entrants"]["good"]["samples"]] == [1, 2, 3]
    assert "it ended with status 3: RuntimeError: had enough" in result["left_out"]["dying"]
    assert "answers with another body" in result["left_out"]["lying"]
    assert "it did not start: ValueError: no such option" in result["left_out"]["broken"]
    assert "it cannot be started: " in result["left_out"]["gone"]
    assert "hello: dying left out: in round" in told(bench)


def test_a_scenario_that_an_entrant_leaves_out_says_why(bench: Bench) -> None:
    out = Entrant(name="dying", about="", command=("no",), leaves_out={"hello": "it would crash"})
    result = bench.measure(BY_NAME["hello"], [scripted("good", ALWAYS, ""), out])
    assert result["left_out"] == {"dying": "it would crash"}
    assert set(result["entrants"]) == {"good"}


def test_a_server_is_kept_for_the_next_scenario_that_starts_it_alike(bench: Bench) -> None:
    good = scripted("good", ALWAYS, "")
    first = bench.measure(BY_NAME["hello"], [good, FLOOR])
    up = dict(bench.pool.up)
    second = bench.measure(BY_NAME["headers"], [good, FLOOR])
    assert bench.pool.up == up
    assert "pss_idle" in first["entrants"]["good"]
    assert "pss_idle" not in second["entrants"]["good"]  # it is not what it was when it had served nothing
    third = bench.measure(BY_NAME["pipelined"], [FLOOR])
    assert "good" not in bench.pool.up
    assert bench.pool.up["limit"].process.pid != up["limit"].process.pid  # it has to know the size of a request
    assert set(third["entrants"]) == {"limit"}


def test_a_server_that_died_between_two_scenarios_is_started_again(bench: Bench) -> None:
    bench.measure(BY_NAME["hello"], [FLOOR])
    bench.pool.up["limit"].process.kill()
    bench.pool.up["limit"].process.wait()
    assert set(bench.measure(BY_NAME["headers"], [FLOOR])["entrants"]) == {"limit"}


def test_what_measures_itself_is_told_its_app_and_its_seconds(bench: Bench) -> None:
    line = '{"operations": 2000, "seconds": 0.5, "user": 0.3, "system": 0.1}'
    good = entrant(
        "good", f"import sys; assert sys.argv[1:] == ['call_soon', '0.5']; print('{line}')", "{app}", "{seconds}"
    )
    lacks = entrant("lying", """print('{"lacks": "call_soon"}')""")
    result = bench.measure(BY_NAME["loop-call-soon"], [good, lacks])
    assert result["entrants"]["good"]["samples"][0]["us"] == pytest.approx(200)
    assert "lacks: call_soon" in result["left_out"]["lying"]


# Has a child, and has another when that is gone.
PARENT = """
import os, time
while True:
    child = os.fork()
    if child == 0:
        time.sleep(60)
    os.waitpid(child, 0)
"""


def wait_for_child(pid: int, but: int = 0) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children = [child for child in tree_of(pid) if child not in (pid, but)]
        if children:
            return children[0]
        time.sleep(0.01)
    raise AssertionError("it has no child")


def test_processes_that_are_replaced_are_noticed_once() -> None:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True)
        try:
            child = wait_for_child(process.pid)
            server = Server(entrant("good"), (), 0, process, log, 0.0, tree_of(process.pid))
            assert not server.changed()
            os.kill(child, signal.SIGKILL)
            wait_for_child(process.pid, but=child)
            assert server.changed()
            assert not server.changed()
        finally:
            kill(process, signal.SIGKILL)
            process.wait()


def test_an_interrupt_keeps_the_rounds_that_were_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(_where: str, what: str, _seconds: float = 0) -> None:
        if what.startswith("round 2"):
            raise KeyboardInterrupt

    monkeypatch.setattr(bench.progress, "step", step)
    with pytest.raises(KeyboardInterrupt):
        bench.measure(BY_NAME["hello"], [FLOOR])
    assert len(bench.results["hello"]["entrants"]["limit"]["samples"]) == 2
    assert bench.results["hello"]["entrants"]["limit"]["latency"]["p50"] > 0


def test_one_silent_round_does_not_count_and_two_are_too_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stood for a second is not the server's fault; a server that never answers is left out."""
    silences = {"good": [2], "dying": [1, 3]}

    def sample(_loader: Loader, server: Server, _scenario: Scenario, number: int) -> dict[str, float]:
        if number in silences.get(server.entrant.name, []):
            raise SilentError("no answer in a whole round")
        return {"round": number, "us": 1.0}

    monkeypatch.setattr(Loader, "sample", sample)
    result = bench.measure(BY_NAME["hello"], [scripted("good", ALWAYS, ""), scripted("dying", ALWAYS, "")])
    assert [taken["round"] for taken in result["entrants"]["good"]["samples"]] == [1, 3]
    assert result["left_out"] == {"dying": "in round 3, not the first time: no answer in a whole round"}


def test_an_open_loop_asks_a_part_of_what_the_slowest_can(bench: Bench) -> None:
    good = scripted("good", ALWAYS, "")
    hello = bench.measure(BY_NAME["hello"], [good, FLOOR])
    opened = bench.measure(BY_NAME["open-50"], [good, FLOOR])
    rates = {name: sorted(s["rate"] for s in one["samples"])[1] for name, one in hello["entrants"].items()}
    slowest = min(rates, key=lambda name: rates[name])
    assert opened["slowest"] == slowest
    assert opened["rate"] == round(rates[slowest] / 2)
    assert opened["entrants"]["limit"]["latency"]["p99"] > 0


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_whoever_is_not_measured_is_stopped(bench: Bench) -> None:
    """Some spin while they are idle, and would take the core from the others."""
    some = [scripted("good", ALWAYS, "", ours=True), FLOOR]
    result = bench.measure(BY_NAME["hello"], some)
    assert len(result["entrants"]["good"]["samples"]) == 3
    assert [state_of(server.process.pid) for server in bench.pool.up.values()] == ["T", "T"]
    again = bench.measure(BY_NAME["hello"], some)
    assert len(again["entrants"]["good"]["samples"]) == 3
