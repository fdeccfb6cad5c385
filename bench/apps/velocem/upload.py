"""A file that is sent with a form is on disk when the handler answers with its length."""

from velocem import App, Form, Upload

app = App()


@app.post("/upload")
def upload(file: Form[Upload]) -> str:
    return str(file.size)
