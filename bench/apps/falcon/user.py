"""A parameter of the path and one of the query, as JSON."""

from falcon import App, Request, Response


class User:
    def on_get(self, request: Request, response: Response, number: int) -> None:
        response.media = {"id": number, "q": request.get_param("q", default="")}


app = App()
app.add_route("/users/{number:int}", User())
