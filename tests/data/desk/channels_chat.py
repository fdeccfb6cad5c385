"""Django's ASGI handler with a Channels chat on the in-memory layer, in one file."""

import asyncio
from collections.abc import AsyncIterator

import django
from asgiref.sync import sync_to_async
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path, re_path

log: list[str] = []

# In a process where Django has been set up for another site, its settings serve as well.
if not settings.configured:
    settings.configure(
        SECRET_KEY="not a secret",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="desk.channels_chat",
        INSTALLED_APPS=["channels"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
        DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    )
    django.setup()


async def hello(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(0)
    return JsonResponse({"method": request.method, "size": len(request.body), "name": request.GET.get("name")})


def blocking(request: HttpRequest) -> HttpResponse:
    """In the thread that Django keeps for such views."""
    return HttpResponse(f"blocking {request.headers['X-A']}")


async def stream(_request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(100):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def watched(_request: HttpRequest) -> HttpResponse:
    """Django cancels the view of a client that leaves."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        log.append("cancelled")
        raise
    return HttpResponse("nobody left")


urlpatterns = [path("hello", hello), path("blocking", blocking), path("stream", stream), path("watched", watched)]


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        if self.room == "closed":
            await self.close()
            return
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)

    async def receive_json(self, content: dict[str, str]) -> None:
        await self.channel_layer.group_send(self.room, {"type": "chat.said", "text": content["text"]})

    async def chat_said(self, event: dict[str, str]) -> None:
        await self.send_json({"text": event["text"]})

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)
        log.append(f"left {self.room} {code}")


class Blocking(WebsocketConsumer):
    """Its methods run in threads."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "bye":
            self.close(4000, "as you like")
        else:
            self.send(text_data=text_data, bytes_data=bytes_data)


class Slow(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        text = await sync_to_async(body.decode)()
        await self.send_response(200, text.upper().encode(), headers=[(b"Content-Type", b"text/plain")])


app = ProtocolTypeRouter(
    {
        "http": URLRouter([path("consumer", Slow.as_asgi()), re_path(r"", get_asgi_application())]),
        "websocket": SessionMiddlewareStack(
            URLRouter([path("chat/<str:room>", Chat.as_asgi()), path("blocking", Blocking.as_asgi())])
        ),
    }
)
