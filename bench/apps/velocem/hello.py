"""A short text."""

from velocem import App

app = App()


@app.get("/")
def hello() -> str:
    return "Hello, World!"
