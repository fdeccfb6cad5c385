"""curl in a process of its own, and what it received."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple


class Received(NamedTuple):
    """The last response that curl got; interim ones and redirects are before it in the history."""

    status: int
    fields: dict[str, str]  # names in lower case
    body: bytes
    history: list[int]


def curl(*arguments: str, stdin: bytes = b"") -> Received:
    """Run curl and read its last response; it must not fail itself."""
    with tempfile.TemporaryDirectory() as folder:
        heads = Path(folder) / "heads"
        fixed = ["curl", "--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]
        line = [*fixed, "--dump-header", str(heads), *arguments]
        # A sanitizer that is preloaded for the interpreter hangs curl.
        env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        result = subprocess.run(line, input=stdin, env=env, capture_output=True, check=False)
        assert result.returncode == 0, (result.returncode, result.stderr)
        blocks = heads.read_bytes().decode("latin-1").split("\r\n\r\n")[:-1]
    statuses = [int(block.split(" ", 2)[1]) for block in blocks]
    lines = [field.split(":", 1) for field in blocks[-1].split("\r\n")[1:]]
    return Received(statuses[-1], {name.lower(): value.strip() for name, value in lines}, result.stdout, statuses[:-1])
