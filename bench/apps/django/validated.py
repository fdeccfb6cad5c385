"""JSON that is checked against a model, a serializer of Django REST framework as usual, and JSON made of it."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the benchmark",
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from rest_framework import serializers  # noqa: E402 - it reads the settings
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402


class ItemSerializer(serializers.Serializer):
    name = serializers.CharField()
    price = serializers.FloatField()
    quantity = serializers.IntegerField()
    tags = serializers.ListField(child=serializers.CharField())


@api_view(["POST"])
def items(request: Request) -> Response:
    serializer = ItemSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    item = serializer.validated_data
    return Response({"name": item["name"], "total": item["price"] * item["quantity"], "tags": len(item["tags"])})


urlpatterns = [path("items", items)]
app = get_wsgi_application()
