"""Views that stream, take uploads, or fail."""

import hashlib
import io
from collections.abc import Iterator

from django.http import FileResponse, HttpRequest, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from library.models import Book


class Watched(io.FileIO):
    """A file that tells whether Python code read it."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size) or b""


# The files that cover() opened, newest last.
OPENED: list[Watched] = []


def cover(request: HttpRequest, number: int) -> FileResponse:
    OPENED.append(Watched(get_object_or_404(Book, pk=number).cover.path))
    return FileResponse(OPENED[-1], as_attachment="save" in request.GET)


def export(_: HttpRequest) -> StreamingHttpResponse:
    lines = (f"{book.pk},{book.title},{book.author}\n" for book in Book.objects.iterator())
    return StreamingHttpResponse(lines, content_type="text/csv")


def numbers(_: HttpRequest) -> StreamingHttpResponse:
    """Far more than any client takes."""

    def generate() -> Iterator[bytes]:
        for number in range(10**9):
            yield b"%09d\n" % number

    return StreamingHttpResponse(generate(), content_type="text/plain")


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """Digests of what was sent: the files of a form, or the body."""
    found = {name: [file.name, file.size, digest(file.chunks())] for name, file in request.FILES.items()}
    return JsonResponse({"files": found, "fields": request.POST.dict(), "body": digest(iter([request_body(request)]))})


def request_body(request: HttpRequest) -> bytes:
    """Nothing for a form, whose body has been read."""
    return b"" if request.content_type == "multipart/form-data" else request.body


def digest(blocks: Iterator[bytes]) -> str:
    sha256 = hashlib.sha256()
    for block in blocks:
        sha256.update(block)
    return sha256.hexdigest()


def broken(_: HttpRequest) -> JsonResponse:
    raise LookupError("this view is broken")
