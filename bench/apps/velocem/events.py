"""What is sent to /publish goes to everyone who reads /events."""

from velocem import App, Body, EventStream

app = App()


@app.get("/events")
def events() -> EventStream[str]:
    return app.events("news")


@app.post("/publish")
def publish(message: Body[bytes]) -> str:
    app.publish("news", message.decode())
    return "published"
