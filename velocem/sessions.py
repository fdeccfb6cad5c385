"""Sessions in signed cookies: nothing is kept on the server, and nothing that the client has changed is believed."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from velocem.requests import Request
from velocem.responses import TOKEN, Response

LEAST_KEY = 16  # bytes
MOST_BYTES = 4000  # of a cookie: browsers keep 4096, its name and attributes among them


class Session(dict[str, Any]):
    """What a client brings back: ``def cart(session: Session)``. Values are what JSON has.

    What a handler has changed is sent with its response; a session that it has emptied is forgotten.
    """

    def __init__(self, values: Mapping[str, Any] = {}, *, stale: bool = False) -> None:
        super().__init__(values)
        self.before = written(self)
        self.stale = stale  # signed by an old key, or half of its time is over


def written(values: Mapping[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class Sessions:
    """``app.use(Sessions(keys=[os.environ["SECRET"]]))``: handlers may then take a Session.

    ``keys`` are secrets of at least 16 characters: the first signs, all are believed, so that a new one can be put in
    front of the old. ``max_age`` is seconds, counted from the last response that had to say something. ``secure`` has
    browsers send it by https alone; leave it so but for work on your own machine. ValueError for what cannot be.
    """

    keys: Sequence[str]
    name: str = "session"
    max_age: int = 14 * 86400
    secure: bool = True
    same_site: str = "lax"
    path: str = "/"
    domain: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.keys, str) or not self.keys:
            raise ValueError("keys are a list of secrets")
        if any(len(key) < LEAST_KEY for key in self.keys):
            raise ValueError(f"a key has at least {LEAST_KEY} characters, such as secrets.token_hex() makes")
        if not self.name or not set(self.name) <= TOKEN:
            raise ValueError(f"no cookie is called {self.name!r}")

    def told(self) -> Mapping[str, Any]:
        """Of a policy: nothing, for the core."""
        return {}

    # --- of the application

    def load(self, request: Request) -> Session:
        """The provider of it."""
        text = request.cookies.get(self.name)
        return Session() if text is None else self.read(text, time.time())

    def save(self, session: Session, res: Response) -> None:
        """An after hook of every handler that takes one."""
        text = written(session)
        if text == session.before and not (session and session.stale):
            return
        if not session:
            res.delete_cookie(self.name, path=self.path, domain=self.domain)
            return
        res.set_cookie(
            self.name,
            self.write(text, time.time()),
            max_age=self.max_age,
            path=self.path,
            domain=self.domain,
            secure=self.secure,
            same_site=self.same_site,
        )

    # --- the cookie: values, when they were signed, and the signature

    def write(self, text: str, now: float) -> str:
        """ValueError for more than a cookie holds."""
        signed = f"{encoded(text.encode())}.{int(now):x}"
        cookie = f"{signed}.{encoded(self.sign(self.keys[0], signed))}"
        if len(cookie) > MOST_BYTES:
            raise ValueError(f"a session of {len(cookie)} bytes is more than a cookie holds, which is {MOST_BYTES}")
        return cookie

    def read(self, cookie: str, now: float) -> Session:
        """An empty one for what is not ours, or too old."""
        signed, _, signature = cookie.rpartition(".")
        values, _, began = signed.rpartition(".")
        try:
            found, age = decoded(signature), now - int(began, 16)
            number = next(i for i, key in enumerate(self.keys) if hmac.compare_digest(self.sign(key, signed), found))
            if not -60 <= age < self.max_age:
                return Session()
            return Session(json.loads(decoded(values)), stale=number > 0 or age > self.max_age / 2)
        except (ValueError, binascii.Error, StopIteration):
            return Session()

    def sign(self, key: str, text: str) -> bytes:
        """For this name alone: a cookie of another is not one of these."""
        return hmac.digest(key.encode(), f"velocem session {self.name} {text}".encode(), hashlib.sha256)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """ValueError when there is anything else than what encoded() writes."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    if encoded(data) != text:
        raise ValueError("this is another way to write it")
    return data
