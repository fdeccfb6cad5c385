"""The demonstration in a real browser: each part of its page does what it shows, and screenshots of it are kept."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.process import Process, environment
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[3]
# Where the screenshots stay when somebody wants to see them.
KEPT = os.environ.get("SCREENSHOTS")


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


class Page:
    """A tab of Chromium, by its DevTools protocol."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.number = 0

    def call(self, method: str, **params: Any) -> Any:
        self.number += 1
        self.ws.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.ws.recv(timeout=30))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def choose_file(self, selector: str, path: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self, path: Path) -> bytes:
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(data)
        if KEPT:
            shutil.copy(path, KEPT)
        return data


@contextmanager
def browser(url: str, folder: Path) -> Iterator[Page]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("chromium is not there: tools/setup_debian.sh test names its Debian package")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--window-size=1100,900"]
    options += [f"--user-data-dir={folder / 'profile'}", "--disable-dev-shm-usage", "--hide-scrollbars"]
    env = {name: value for name, value in environment().items() if name != "LD_PRELOAD"}
    process = subprocess.Popen([program, *options, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    port = folder / "profile" / "DevToolsActivePort"
    try:
        wait_for(lambda: port.exists() and port.read_text().strip())
        address = f"http://127.0.0.1:{port.read_text().split()[0]}/json"

        def tab() -> Any:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return next((one for one in json.load(answer) if one["type"] == "page" and one["url"] == url), None)

        with connect(wait_for(tab)["webSocketDebuggerUrl"], max_size=None) as ws:
            yield Page(ws)
    finally:
        process.terminate()
        process.wait(20)


def test_the_demonstration(tmp_path: Path) -> None:
    with Process("examples.live:app", "--app-dir", str(ROOT), "--bind", "127.0.0.1:0", cwd=tmp_path) as server:
        url = server.urls[0] + "/"
        with browser(url, tmp_path) as page:
            wait_for(lambda: page.run("document.readyState === 'complete' && typeof rates === 'object'"))
            speed(page)
            room(page, url)
            upload(page, tmp_path)
            assert len(page.screenshot(tmp_path / "live.png")) > 10_000
            page.run("document.getElementById('load').click()")
            page.call("Page.navigate", url=url + "docs")
            wait_for(lambda: "/api/hello" in (page.run("document.body?.innerText") or ""))
            assert len(page.screenshot(tmp_path / "docs.png")) > 10_000
        assert not [line for line in server.errors if "ERROR" in line]


def speed(page: Page) -> None:
    """The chart is drawn from what the server measures while the page asks."""
    page.run("document.getElementById('load').click()")
    wait_for(lambda: page.run("Number(document.getElementById('rate').textContent.replace(',', ''))") > 10)
    wait_for(lambda: page.run("rates.filter((rate) => rate > 0).length") > 8)
    assert page.run("document.getElementById('line').getAttribute('d').split('L').length") > 5
    assert page.run("Number(document.getElementById('p99').textContent)") > 0


def room(page: Page, url: str) -> None:
    """What one says the other hears, and markup is text."""
    wait_for(lambda: page.run("document.getElementById('state').textContent") == "open")
    with connect(url.replace("http", "ws", 1) + "room") as other:
        other.send('{"who":"Ada","text":"Is anybody there? <b>"}')
        wait_for(lambda: "Ada Is anybody there? <b>" in page.run("document.getElementById('said').innerText"))
        page.run("document.getElementById('text').value = 'I am.'; document.getElementById('say').requestSubmit()")
        heard = [json.loads(other.recv(timeout=10)) for _ in range(2)]
        assert heard[1] == {"who": "somebody", "text": "I am."}


def upload(page: Page, folder: Path) -> None:
    """A file of 30 MB is sent, its progress goes to the end, and its digest comes back."""
    path = folder / "thirty.bin"
    path.write_bytes(b"velocem!" * (30_000_000 // 8))
    page.choose_file("#file", path)
    page.run("document.getElementById('send').requestSubmit()")
    told = wait_for(lambda: page.run("document.getElementById('result').textContent"))
    about, _, digest = told.partition(" SHA-256 ")
    assert about == "thirty.bin, 30,000,000 bytes,"
    assert digest.replace(" ", "") == hashlib.sha256(path.read_bytes()).hexdigest()
    assert page.run("document.getElementById('progress').value") == 1
