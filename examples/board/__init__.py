"""A message board in Flask on SQLite, which `make run` serves; its data is temporary unless BOARD_DATA is set."""

import atexit
import os
import secrets
import tempfile
from pathlib import Path

from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from examples.board import api, feed, pages, seed, server, store, texts

LARGEST_POST = 6 << 20


def create_app(data: str | None = None) -> Flask:
    """The board with its database and pictures in data; it is filled with a few messages when it is new."""
    folder = Path(data or temporary_folder())
    app = Flask(__name__)
    app.config.update(
        BOARD=str(folder),
        SECRET_KEY=secret_of(folder),
        MAX_CONTENT_LENGTH=LARGEST_POST,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    for blueprint in (pages.board, feed.board, server.board, api.board):
        app.register_blueprint(blueprint)
    app.before_request(refuse_foreign_forms)
    app.after_request(add_policy)
    app.register_error_handler(HTTPException, show_error)
    app.teardown_appcontext(store.close)
    texts.register(app)
    with app.app_context():
        if store.create():
            seed.fill()
    return app


def temporary_folder() -> str:
    folder = tempfile.TemporaryDirectory(prefix="board-")
    atexit.register(folder.cleanup)
    return folder.name


def secret_of(folder: Path) -> str:
    """The key that signs sessions: kept, so that they outlive a restart."""
    path = folder / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_hex())
    return path.read_text()


def refuse_foreign_forms() -> None:
    """A form on another site must not post here in the name of its visitor."""
    origin = request.headers.get("Origin")
    if request.method == "POST" and origin and origin != request.host_url.rstrip("/"):
        abort(403, "This form came from another site.")


def add_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def show_error(error: HTTPException) -> Response | HTTPException | tuple[Response, int] | tuple[str, int]:
    """As a page or, below /api/, as JSON."""
    if error.code is None or error.code < 400:
        return error
    if request.path.startswith("/api/"):
        return jsonify(error=error.description), error.code
    return render_template("error.html", error=error), error.code


app = create_app(os.environ.get("BOARD_DATA"))
