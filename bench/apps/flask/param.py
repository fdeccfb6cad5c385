"""A parameter of the path."""

from flask import Flask, Response

app = Flask(__name__)


@app.get("/users/<int:number>")
def user(number: int) -> Response:
    return Response(f"user {number}", mimetype="text/plain")
