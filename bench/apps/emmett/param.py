"""A parameter of the path."""

from emmett import App, response

app = App(__name__)


@app.route("/users/<int:number>", output="str")
async def user(number: int) -> str:
    response.content_type = "text/plain"
    return f"user {number}"
