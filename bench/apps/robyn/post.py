"""Answers with the length of the body, which the server has read."""

from robyn import Request, Robyn

app = Robyn(__file__)


@app.post("/")
def post(request: Request) -> str:
    return str(len(request.body))
