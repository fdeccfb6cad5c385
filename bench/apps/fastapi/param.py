"""A parameter of the path."""

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI(openapi_url=None)


@app.get("/users/{number}", response_class=PlainTextResponse)
async def user(number: int) -> str:
    return f"user {number}"
