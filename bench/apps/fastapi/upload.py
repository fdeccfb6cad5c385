"""A file that is sent with a form is on disk when the handler answers with its length."""

from fastapi import FastAPI, UploadFile
from fastapi.responses import PlainTextResponse

app = FastAPI()


@app.post("/upload", response_class=PlainTextResponse)
async def upload(file: UploadFile) -> str:
    return str(file.size)
