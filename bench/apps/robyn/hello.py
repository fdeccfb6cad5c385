"""The smallest answer; also what the header, pipelining and connection scenarios ask for."""

from robyn import Robyn

app = Robyn(__file__)


@app.get("/")
def hello() -> str:
    return "Hello, World!"
