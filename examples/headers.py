"""Headers, cookies and renamed parameters: Header[str] is str to a type checker."""

from datetime import date
from typing import Annotated

from velocem import App, Cookie, Header, Name, Query

app = App()


@app.get("/me")
def me(
    authorization: Header[str],
    sid: Cookie[str | None] = None,
    since: Annotated[Query[date | None], Name("from")] = None,
) -> dict[str, str | None]:
    return {"authorization": authorization, "sid": sid, "since": since.isoformat() if since else None}
