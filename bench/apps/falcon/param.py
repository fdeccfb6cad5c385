"""A parameter of the path."""

from falcon import MEDIA_TEXT, App, Request, Response


class User:
    def on_get(self, _request: Request, response: Response, number: int) -> None:
        response.content_type = MEDIA_TEXT
        response.text = f"user {number}"


app = App()
app.add_route("/users/{number:int}", User())
