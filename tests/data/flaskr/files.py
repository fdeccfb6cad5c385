"""Files: uploaded by a form or by PUT, listed, downloaded whole or in part, deleted."""

import hashlib
from pathlib import Path

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, send_from_directory, url_for
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Response

pages = Blueprint("files", __name__, url_prefix="/files")

BLOCK = 16384


def folder() -> Path:
    return Path(current_app.config["FILES"])


def path_of(name: str) -> Path:
    if not name or secure_filename(name) != name:
        abort(400, "This is no name for a file.")
    return folder() / name


@pages.get("/")
def index() -> str:
    return render_template("files/index.html", files=sorted(path.name for path in folder().iterdir()))


@pages.post("/")
def upload() -> Response:
    """Any number of files in one form, with a note for all of them."""
    for sent in request.files.getlist("file"):
        sent.save(path_of(secure_filename(sent.filename or "")))
        flash(f"{sent.filename}: {request.form.get('note', 'no note')}")
    return redirect(url_for("files.index"))


@pages.put("/<name>")
def put(name: str) -> tuple[dict[str, str | int], int]:
    """Take the body as it is, by blocks: it may be chunked, without a length."""
    path = path_of(name)
    status = 200 if path.exists() else 201
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while block := request.stream.read(BLOCK):
            file.write(block)
            digest.update(block)
    return {"name": name, "size": path.stat().st_size, "sha256": digest.hexdigest()}, status


@pages.get("/<name>")
def download(name: str) -> Response:
    return send_from_directory(folder(), name, as_attachment="save" in request.args)


@pages.delete("/<name>")
def delete(name: str) -> Response:
    path_of(name).unlink(missing_ok=True)
    response = Response(status=204)
    del response.headers["Content-Type"]  # of nothing
    return response
