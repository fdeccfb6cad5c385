"""JSON made of a dict, at a path of its own."""

from falcon import App, Request, Response


class AsJson:
    def on_get(self, _request: Request, response: Response) -> None:
        response.media = {"message": "Hello, World!"}


app = App()
app.add_route("/json", AsJson())
