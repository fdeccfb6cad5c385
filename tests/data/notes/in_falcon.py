"""Notes in Falcon."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import falcon


class Notes:
    """All notes, as JSON."""

    def __init__(self) -> None:
        self.notes: dict[int, object] = {}
        self.numbers = itertools.count(1)

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        resp.media = list(self.notes.values())

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        number = next(self.numbers)
        self.notes[number] = {"id": number, **req.get_media()}
        resp.media = self.notes[number]
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/notes/{number}"


class Note:
    """One note."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes.notes

    def on_get(self, _: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in self.notes:
            raise falcon.HTTPNotFound(title="no such note")
        resp.media = self.notes[number]

    def on_delete(self, _: falcon.Request, resp: falcon.Response, number: int) -> None:
        self.notes.pop(number, None)
        resp.status = falcon.HTTP_NO_CONTENT


class Form:
    """A form's fields, sorted, as text."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "\n".join(f"{name}={value}" for name, value in sorted(req.get_media().items()))


class Upload:
    """Size of the body, read by blocks."""

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        size = 0
        while block := req.bounded_stream.read(10000):
            size += len(block)
        resp.media = {"size": size}


class Count:
    """Lines from a generator."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = self.lines(req.get_param_as_int("to", default=10))

    def lines(self, end: int) -> Iterator[bytes]:
        for number in range(end):
            yield b"%d\n" % number


class Fail:
    """A programming error."""

    def on_get(self, _: falcon.Request, __: falcon.Response) -> None:
        raise LookupError("this resource is broken")


class Cookie:
    """Two cookies in one response; what came in, in its body."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_cookie("one", "1", secure=False)
        resp.set_cookie("two", "2", secure=False)
        resp.media = req.cookies


def create_app() -> falcon.App:  # type: ignore[type-arg]
    app = falcon.App()
    notes = Notes()
    app.add_route("/notes", notes)
    app.add_route("/notes/{number:int}", Note(notes))
    app.add_route("/form", Form())
    app.add_route("/upload", Upload())
    app.add_route("/count", Count())
    app.add_route("/fail", Fail())
    app.add_route("/cookie", Cookie())
    app.add_static_route("/static", str(Path(__file__).parent / "static"))
    return app
