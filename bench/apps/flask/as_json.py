"""JSON made of a dict, at a path of its own."""

from flask import Flask

app = Flask(__name__)


@app.get("/json")
def as_json() -> dict[str, str]:
    return {"message": "Hello, World!"}
