"""Native policies: what is done to every request in C, with no Python for it."""

from velocem import App, Body, Compress, Cors, Limits, Request, RequestId

app = App()
app.use(Cors(origins=["https://example.com"]), Compress(min_size=1024), RequestId(), Limits(body="2MB"))


@app.get("/long")
def long() -> str:
    return "It compresses well. " * 500


@app.get("/id")
def request_id(req: Request) -> str:
    return str(req.state["request_id"])


@app.post("/size")
def size(data: Body[bytes]) -> int:
    return len(data)
