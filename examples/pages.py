"""Pages from templates, a session in a signed cookie, files of a folder, and a file that a handler chooses."""

import os
from pathlib import Path

from velocem import App, File, Html, Session, Sessions, Templates

HERE = Path(__file__).parent
app = App()
app.use(Sessions(keys=[os.environ.get("SECRET", "for work on your own machine")], secure=False))
pages = Templates(HERE / "pages")
app.static("/assets", HERE / "pages" / "assets", cache="1y", precompressed=True)


@app.get("/")
def index(session: Session, name: str = "") -> Html:
    """What is changed in the session goes into its cookie."""
    session["visits"] = session.get("visits", 0) + 1
    return pages("index.html", name=name, visits=session["visits"])


@app.post("/forget")
def forget(session: Session) -> None:
    """An empty one takes its cookie back."""
    session.clear()


@app.get("/invoice/{id:int}")
def invoice(id: int) -> File:
    """With ranges and validators, by sendfile; where there is none it is a 404."""
    return File(HERE / "pages" / f"{id}.txt", download=True)
