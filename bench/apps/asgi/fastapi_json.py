"""JSON of FastAPI made of a dict, at a path of its own."""

from fastapi import FastAPI

app = FastAPI(openapi_url=None)


@app.get("/json")
async def as_json() -> dict[str, str]:
    return {"message": "Hello, World!"}
