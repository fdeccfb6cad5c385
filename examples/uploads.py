"""A form with a file, which is on disk before the handler runs; and work that comes after the response."""

import hashlib
import os
from pathlib import Path

from velocem import App, Background, Form, Limits, Upload

app = App()
app.use(Limits(body="25MB", fields="64k", file="20MB"))
FOLDER = Path(os.environ.get("PICTURES", "."))


def make_thumbnails(path: str, name: str) -> None:
    """It may take its time: a def runs in a thread."""
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    (FOLDER / f"{name}.sha256").write_text(digest)


@app.post("/avatar")
async def avatar(image: Form[Upload], bg: Background, name: Form[str] = "avatar") -> None:
    """The file is there until the work is done; image.move(path) keeps it."""
    bg.add(make_thumbnails, image.path, name)
