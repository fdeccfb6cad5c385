"""The smallest application: velocem examples.hello:app."""

from velocem import App

app = App()


@app.get("/")
def hello() -> str:
    return "Hello, World!"
