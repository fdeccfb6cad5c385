"""Groups, hooks and wrapping; hooks take arguments as handlers do."""

import time

from velocem import App, Group, Header, Next, Request, Response, Unauthorized


def require_key(x_api_key: Header[str | None] = None) -> None:
    """Before every handler of the group, and before what is wrong with its arguments is said."""
    if x_api_key != "secret":
        raise Unauthorized("a key is needed", headers={"www-authenticate": "ApiKey"})


api = Group("/api", tags=["api"], before=[require_key])


@api.after
def stamp(res: Response) -> None:
    res.headers["x-api"] = "1"


@api.around
async def timed(req: Request, call: Next) -> Response:
    """The onion, only for this group."""
    begun = time.perf_counter()
    res = await call()
    res.headers["server-timing"] = f"handler;dur={(time.perf_counter() - begun) * 1000:.3f};desc={req.method}"
    return res


@api.get("/items/{item}")
async def show(item: str) -> dict[str, str]:
    return {"item": item}


app = App()
app.include(api)


@app.get("/")
def home() -> str:
    return "the hooks are not for this"
