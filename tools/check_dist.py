"""Installs each package of dist/ into an empty environment of its own and has it serve a request."""

import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

APP = """
def app(environ, start_response):
    body = environ["wsgi.input"].read() + environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
"""
SECONDS_TO_START = 30


def install(package: Path, folder: Path) -> Path:
    """The environment's folder of programs. The source package builds with what its build-system table asks for."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, package.resolve()], check=True)
    return folder / "bin"


def serve(programs: Path, folder: Path) -> None:
    (folder / "tried.py").write_text(APP)
    command = [programs / "velocem", "tried:app", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(SECONDS_TO_START, process.kill)
        watchdog.start()
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            url = re.search(r"http://\S+", line)
            if url is None:
                raise SystemExit(f"it did not start: {line}{process.stderr.read()}")
            request = urllib.request.Request(f"{url[0]}/caf%C3%A9", data=b"body of ")
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = response.read().decode()
            process.send_signal(signal.SIGTERM)
            status = process.wait(SECONDS_TO_START)
        finally:
            watchdog.cancel()
            process.kill()
    if (answer, status) != ("body of /café", 0):
        raise SystemExit(f"it answered {answer!r} and exited with {status}")


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
