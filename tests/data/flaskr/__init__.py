"""A blog with accounts and files, in Flask: what a first real application has."""

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, render_template, url_for
from werkzeug.exceptions import HTTPException

from flaskr import auth, blog, db, files, streams

LARGEST_UPLOAD = 4 << 20


def create_app(data: str | None = None, **config: Any) -> Flask:
    """The application, with its database and files in data or in a new temporary folder."""
    folder = Path(data or tempfile.mkdtemp(prefix="flaskr-"))
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=secrets.token_hex(),
        DATABASE=str(folder / "flaskr.sqlite"),
        FILES=str(folder / "files"),
        MAX_CONTENT_LENGTH=LARGEST_UPLOAD,
    )
    app.config.from_mapping(config)
    Path(app.config["FILES"]).mkdir(parents=True, exist_ok=True)
    db.init_app(app)
    for blueprint in (auth.pages, blog.pages, files.pages, streams.pages):
        app.register_blueprint(blueprint)
    app.add_url_rule("/", endpoint="index", view_func=blog.index)
    app.add_url_rule("/broken", view_func=broken)
    app.register_error_handler(HTTPException, show_error)
    app.context_processor(lambda: {"style": url_for("static", filename="style.css")})
    return app


def broken() -> Iterator[bytes]:
    """Fail as a programming error does."""
    raise LookupError("this page is broken")


def show_error(error: HTTPException) -> Response:
    """One page for every error, with its own fields (Allow, Content-Range); raised redirects stay what they are."""
    response = cast("Response", error.get_response())
    if response.status_code >= 400:
        response.set_data(render_template("error.html", error=error))
    return response
