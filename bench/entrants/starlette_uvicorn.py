"""Starlette on uvicorn, for what is asked of it there. The options are those of uvicorn.py."""

from dataclasses import replace

from entrants import fastapi_uvicorn

ENTRANT = replace(
    fastapi_uvicorn.ENTRANT,
    name="starlette-uvicorn",
    interface="starlette",
    only=frozenset({"upload"}),
)
