"""Installs each package of dist/ into an empty environment of its own and has it serve a request."""

import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

APP = """
def app(environ, start_response):
    body = environ["wsgi.input"].read() + environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
"""
SECONDS = 30


def install(package: Path, folder: Path) -> Path:
    """The environment's folder of programs. The source package builds with what its build-system table asks for."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = folder / "bin" / "pip"
    subprocess.run([pip, "install", "--quiet", "--disable-pip-version-check", package.resolve()], check=True)
    return folder / "bin"


def serve(programs: Path, folder: Path) -> None:
    (folder / "tried.py").write_text(APP)
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen([programs / "velocem", "tried:app", "--port", "0"], cwd=folder, stderr=errors)
    try:
        request = urllib.request.Request(f"{started(process, log)}/caf%C3%A9", data=b"body of ")
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = response.read().decode("latin-1")
        process.send_signal(signal.SIGTERM)
        status = process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()
    if (answer, status) != ("body of /caf\u00c3\u00a9", 0):
        raise SystemExit(f"it answered {answer!r} and exited with {status}: {log.read_text()}")


def started(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The URL of the start-up line."""
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if url := re.search(r"http://\S+", log.read_text()):
            return url[0]
        time.sleep(0.05)
    raise SystemExit(f"it did not start: {log.read_text()}")


def main(dist: str) -> int:
    packages = sorted(path for path in Path(dist).iterdir() if path.suffix in (".whl", ".gz"))
    if {path.suffix for path in packages} != {".whl", ".gz"}:
        raise SystemExit(f"{dist} does not hold a source package and a wheel: {packages}")
    for package in packages:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            serve(install(package, folder / "venv"), folder)
        print(f"{package.name}: installed, and served a request")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
