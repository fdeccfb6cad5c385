"""A parameter of the path."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of the benchmark")


def user(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(f"user {number}", content_type="text/plain")


urlpatterns = [path("users/<int:number>", user)]
app = get_wsgi_application()
