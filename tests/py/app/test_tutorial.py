"""The tutorial, run as it stands: its files are written, its server is started, its commands give what it says."""

import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from support.databases import free_port
from support.process import Process, environment

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "tutorial.md").read_text()
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """Of one language, perhaps with a name behind it."""

    language: str
    name: str
    text: str


BLOCKS = [Block(*found) for found in BLOCK.findall(TEXT)]


@pytest.fixture(name="folder")
def make_folder(tmp_path: Path) -> Path:
    return tmp_path


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    """Each with what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield line, output


def run(line: str, folder: Path, url: str) -> str:
    """In the folder, by the programs of this environment; the server is where it has found a free port."""
    words = shlex.split(line.replace("http://127.0.0.1:8000", url))
    if words[0] == "velocem":
        words = [sys.executable, "-m", *words]
    elif words[0] == "pytest":
        words = [sys.executable, "-m", *words, "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


def serves(url: str, seen: str) -> str:
    """Wait until the server that was started again has the document of the file as it is now."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{url}/openapi.json") as response:
                text: str = response.read().decode()
        except OSError:
            text = seen
        if text != seen:
            return text
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_tutorial(folder: Path) -> None:
    port = free_port()
    url, seen = f"http://127.0.0.1:{port}", ""
    assert [block.name for block in BLOCKS if block.language == "python"] == [*["app.py"] * 3, "test_app.py", "app.py"]
    with ExitStack() as stack:
        for block in BLOCKS[1:]:  # the first installs what is installed here
            if block.name == "server":
                ((line, _),) = commands_of(block.text)
                stack.enter_context(Process(*shlex.split(line)[1:], "--port", str(port), cwd=folder))
                seen = serves(url, seen)
            elif block.language == "python":
                (folder / block.name).write_text(block.text)
                seen = serves(url, seen) if seen and block.name == "app.py" else seen
            else:
                for line, output in commands_of(block.text):
                    assert_printed(line, run(line, folder, url), output, folder)


def assert_printed(line: str, printed: str, output: str, folder: Path) -> None:
    """Without the folder; of pytest, that as many have passed."""
    if line.startswith("pytest"):
        assert output.strip() in printed
    else:
        assert printed.replace(f"{folder}/", "").rstrip("\n") == output.rstrip("\n")
