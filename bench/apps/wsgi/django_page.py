"""A page of a Django application: a signed-in user's list of items, twenty of two hundred, by the ORM out of SQLite.

With the middlewares, the sessions in the database and the users that startproject sets up.
"""

from datetime import timedelta

import django
from django.conf import settings

LAYOUT = """{% load static %}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{% block title %}{% endblock %} - Shop</title>
<link rel="stylesheet" href="{% static 'style.css' %}">
</head>
<body>
<nav><a href="{% url 'items' %}">Items</a>
{% if user.is_authenticated %}<span>{{ user.get_username }}</span>{% else %}<a href="/login">Log in</a>{% endif %}</nav>
{% for message in messages %}<p class="flash">{{ message }}</p>{% endfor %}
<main>{% block main %}{% endblock %}</main>
</body>
</html>
"""
ITEMS = """{% extends 'layout.html' %}
{% block title %}Items, page {{ page.number }}{% endblock %}
{% block main %}
<h1>{{ page.paginator.count }} items</h1>
<table>
<tr><th>Name</th><th>Price</th><th>In stock</th></tr>
{% for item in page %}
<tr{% if not item.stock %} class="sold-out"{% endif %}>
<td><a href="{% url 'item' item.pk %}">{{ item.name }}</a></td>
<td>{{ item.price|floatformat:2 }}</td>
<td>{{ item.stock|default:'none' }}</td>
</tr>
{% endfor %}
</table>
<p>
{% if page.has_previous %}<a rel="prev" href="?page={{ page.previous_page_number }}">Back</a>{% endif %}
{% if page.has_next %}<a rel="next" href="?page={{ page.next_page_number }}">On</a>{% endif %}
</p>
{% endblock %}
"""
LOADER = ("django.template.loaders.locmem.Loader", {"layout.html": LAYOUT, "items.html": ITEMS})

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="of the benchmark",
    ROOT_URLCONF=__name__,
    STATIC_URL="static/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "file:django_page?mode=memory&cache=shared",
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.cached.Loader", [LOADER])],
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ],
            },
        }
    ],
)
django.setup()

# What follows reads the settings when it is imported.
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.shortcuts import get_object_or_404, render  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402

PER_PAGE = 20
SESSION = "q8fd1t6mpxv2k0z5r3h7w9yb4c1n6j8s"


class Item(models.Model):
    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField()

    class Meta:
        app_label = "shop"
        ordering = ("id",)


def items(request: HttpRequest) -> HttpResponse:
    page = Paginator(Item.objects.all(), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "items.html", {"page": page})


def item(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(get_object_or_404(Item, pk=number).name)


def fill() -> None:
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Item)
    Item.objects.bulk_create(
        Item(name=f"Item {number}", price=number * 199 / 100, stock=number * 7 % 13) for number in range(1, 201)
    )
    user = User.objects.create(username="ada")
    signed_in = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    until = timezone.now() + timedelta(days=365)
    Session.objects.create(session_key=SESSION, session_data=SessionStore().encode(signed_in), expire_date=until)


urlpatterns = [path("items", items, name="items"), path("items/<int:number>", item, name="item")]
fill()
connection.inc_thread_sharing()  # this thread's connection is never closed: with the last one the database would go
app = get_wsgi_application()
