"""WebSockets of an application: messages that have types, and the run of a handler for one."""

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, get_args

from velocem import binding
from velocem.exceptions import ClientDisconnectedError, HTTPError, MethodNotAllowed, WebSocketClosed
from velocem.headers import Headers, Pairs
from velocem.logging import logger
from velocem.pipeline import Step, leave, run_steps, unwind
from velocem.responses import Problem
from velocem.topics import Hub, Outbox
from velocem.types import Message, Receive, Reply, Scope, Send

if TYPE_CHECKING:
    from velocem._core import Call
    from velocem.errors import ErrorMap
    from velocem.rendering import Rendering

In = TypeVar("In")
Out = TypeVar("Out")

# RFC 6455 7.4.1.
NORMAL, UNSUPPORTED, INVALID, POLICY, TOO_BIG, FAILED = 1000, 1003, 1007, 1008, 1009, 1011
REASON_BYTES = 123  # of a close frame

SOCKET = object()
"""In the place of a handler's WebSocket, until there is one."""

opening: ContextVar[bool] = ContextVar("opening", default=False)
"""Whether a handshake is being answered: the leaves of its plan are for nobody else."""


class Refused(Exception):  # noqa: N818 - it is an answer
    """Of a message: the code and the reason to close with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


Read = Callable[[Any], Any]


def text_only(message: Any) -> Any:
    if isinstance(message, str):
        return message
    raise Refused(UNSUPPORTED, "text is expected")


def bytes_only(message: Any) -> Any:
    if isinstance(message, bytes):
        return message
    raise Refused(UNSUPPORTED, "binary data is expected")


def reader(kind: Any) -> Read | None:
    """What makes a value of a message: None where it stays what it is."""
    bare, _ = binding.unwrap(kind)
    if bare is Any or isinstance(bare, TypeVar) or set(binding.members(bare)) == {str, bytes}:
        return None
    if bare in {str, bytes} and not binding.is_constrained(kind):
        return text_only if bare is str else bytes_only
    decode = binding.decoder(kind)

    def read(message: Any) -> Any:
        try:
            return decode(message)
        except ValueError as error:
            _, errors = binding.explain(error)
            told = "; ".join(f"{'.'.join(map(str, one['loc'][1:])) or 'message'}: {one['msg']}" for one in errors)
            raise Refused(INVALID, told) from None

    return read


def shortened(reason: str) -> str:
    """As much of it as a close frame holds."""
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Options:
    """What a route says of its sockets."""

    read: Read | None = None
    subprotocols: Sequence[str] = ()
    message_limit: int = 0  # bytes; 0: the server's


class WebSocket(Generic[In, Out]):
    """A WebSocket, for handlers of ``@app.ws``: ``async def chat(ws: WebSocket[Msg, Msg])``.

    What comes is In, what is sent Out: ``str`` is a text message and ``bytes`` a binary one, anything else is JSON. A
    message that is none of In closes the socket, with 1007 or 1003 and what is wrong with it. The handshake is accepted
    when the handler first sends or receives, or calls ``accept()``; one that raises before that has refused it.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, hub: Hub, options: Options) -> None:
        self.scope = scope
        self.raw_send = send
        self._receive = receive
        self._hub = hub
        self._read = options.read
        self._limit = options.message_limit
        self._options = options
        self.accepted = False
        self.closed = False
        self.code = NORMAL
        self.reason = ""

    @functools.cached_property
    def headers(self) -> Headers:
        """Those of the handshake."""
        return Headers.from_raw(self.scope["headers"])

    @property
    def path(self) -> str:
        """The path that was asked for, decoded."""
        return str(self.scope["path"])

    @property
    def client(self) -> tuple[str, int] | None:
        """Address and port, where they are known."""
        found = self.scope.get("client")
        return (found[0], found[1]) if found else None

    @property
    def subprotocols(self) -> list[str]:
        """Those that the client offers."""
        return list(self.scope.get("subprotocols", ()))

    async def accept(self, subprotocol: str | None = None, headers: Pairs = ()) -> None:
        """Answer the handshake; without a subprotocol the first that client and route have in common is chosen.

        RuntimeError when it has been answered.
        """
        if self.accepted:
            raise RuntimeError("the handshake has been accepted already")
        offered = self.subprotocols
        chosen = subprotocol or next((one for one in offered if one in self._options.subprotocols), None)
        raw = Headers(headers).raw()
        await self.raw_send({"type": "websocket.accept", "subprotocol": chosen, "headers": raw})
        self.accepted = True

    # --- messages

    async def receive(self) -> In:
        """The next message. WebSocketClosed, with ``code`` and ``reason``, when there is none any more."""
        if not self.accepted:
            await self.accept()
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise self._over(message)
        data = message.get("text")
        if data is None:
            data = message["bytes"]
        if self._read is None and not self._limit:
            return cast("In", data)
        try:
            return cast("In", self._checked(data))
        except Refused as refused:
            await self.close(refused.code, refused.reason)
            raise WebSocketClosed(refused.code, refused.reason) from None

    def _checked(self, data: str | bytes) -> Any:
        size = len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())
        if self._limit and size > self._limit:
            raise Refused(TOO_BIG, f"a message has at most {self._limit} bytes")
        return data if self._read is None else self._read(data)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> In:
        try:
            return await self.receive()
        except WebSocketClosed:
            raise StopAsyncIteration from None

    def send(self, message: Out) -> Awaitable[None]:
        """Send a message; it waits while the client is slow. WebSocketClosed when there is nobody to send it to."""
        if not self.accepted:
            return self._accept_and_send(message)
        return self._sent(message_of(message))

    async def _accept_and_send(self, message: Out) -> None:
        await self.accept()
        await self._sent(message_of(message))

    def _sent(self, message: Message) -> Awaitable[None]:
        try:
            return self.raw_send(message)
        except (ClientDisconnectedError, RuntimeError) as error:
            if isinstance(error, ClientDisconnectedError) or self.closed:
                raise WebSocketClosed(self.code, self.reason) from None
            raise

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """End it; twice does no harm. Before the handshake is accepted it is refused, by 403."""
        if self.closed:
            return
        self.closed = True
        self.code, self.reason = code, shortened(reason)
        await self.raw_send({"type": "websocket.close", "code": code, "reason": self.reason})

    def _over(self, message: Message) -> WebSocketClosed:
        if not self.closed:
            self.closed = True
            self.code, self.reason = message.get("code", 1005), message.get("reason") or ""
        return WebSocketClosed(self.code, self.reason)

    # --- topics

    streams = 0  # it is none

    def too_slow(self) -> None:
        """It was closed, since it takes too little."""
        self.closed, self.code, self.reason = True, 1013, "too slow"

    def outbox(self) -> Outbox:
        """Of another server's."""
        return Outbox(self)

    def subscribe(self, *topics: str) -> None:
        """Send it all that is published under these names from now on, once it is accepted."""
        for topic in topics:
            self._hub.subscribe(topic, self)

    def unsubscribe(self, *topics: str) -> None:
        """No more of these."""
        for topic in topics:
            self._hub.unsubscribe(topic, self)

    def publish(self, topic: str, message: Any) -> None:
        """As ``app.publish()``: to all who have subscribed, this one among them if it has."""
        self._hub.publish(topic, *pack(message))


def pack(message: Any) -> tuple[bytes, bool]:
    """The bytes of a message, and whether it is text."""
    if isinstance(message, str):
        return message.encode(), True
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(cast("bytes", message)), False
    return binding.encode(message), True


def message_of(message: Any) -> Message:
    if isinstance(message, str):
        return {"type": "websocket.send", "text": message}
    data, text = pack(message)
    return {"type": "websocket.send", "text": data.decode()} if text else {"type": "websocket.send", "bytes": data}


# --- the run of a handler


async def take(*leaves: Any) -> tuple[Any, ...]:
    """The call of a socket's plan: its leaves, for who opens it. A request that calls its method WEBSOCKET is none."""
    if not opening.get():
        raise MethodNotAllowed("this is a WebSocket", headers={"allow": "OPTIONS"})
    return leaves


@dataclass(frozen=True, slots=True)
class SocketProgram:
    """The steps of a route of ``@app.ws``: before hooks and providers, and its handler as the last."""

    steps: tuple[Step, ...]
    blanks: int
    request: int  # the leaf that is the Request
    errors: "ErrorMap"
    respond: "Rendering"
    options: Options

    async def run(self, socket: WebSocket[Any, Any], leaves: Iterable[Any]) -> None:
        slots = [socket if leaf is SOCKET else leaf for leaf in leaves]
        slots += [None] * self.blanks
        entered: list[Any] = []
        try:
            value = await run_steps(self.steps, slots, entered)
        except BaseException as error:  # noqa: BLE001
            await self.failed(await unwind(entered, error), socket, slots)
        else:
            await self.done(value, socket)
            await leave(entered)

    async def done(self, value: Any, socket: WebSocket[Any, Any]) -> None:
        """What has not been accepted is refused: with what a hook, or the handler, returned."""
        if not socket.accepted and not socket.closed and value is not None:
            socket.closed = True
            await deny(self.respond(value).render(), socket.scope, socket.raw_send)
        else:
            await socket.close()

    async def failed(self, error: BaseException, socket: WebSocket[Any, Any], slots: Sequence[Any]) -> None:
        if isinstance(error, ClientDisconnectedError):
            return
        if not isinstance(error, Exception):
            raise error
        if not socket.accepted and not socket.closed:
            socket.closed = True
            await deny(await self.answer(error, slots[self.request]), socket.scope, socket.raw_send)
        elif isinstance(error, HTTPError) and error.status < 500:
            await socket.close(POLICY, str(error))
        else:
            logger.error("the WebSocket %s failed", socket.path, exc_info=error)
            await socket.close(FAILED, "internal error")

    async def answer(self, error: Exception, request: Any) -> Reply:
        try:
            found = await self.errors.answer(error, request)
        except Exception as raised:  # noqa: BLE001
            found, error = None, raised
        if found is None:
            logger.error("the handshake of a WebSocket failed", exc_info=error)
            found = Problem(500)
        return found.render()


async def serve(call: "Call", scope: Scope, receive: Receive, send: Send, hub: Hub) -> None:
    """One WebSocket that the router has a route for, or refuses."""
    await receive()  # websocket.connect
    program: SocketProgram | None = None if call.plan is None else call.plan.about.socket
    if program is None:
        if call.reply is None:
            call.refuse(404)  # a route for any method, which is none for this
        await deny(cast("Reply", call.reply), scope, send)
        return
    token = opening.set(True)
    try:
        coroutine = call.start(b"")
        leaves = None if coroutine is None else await coroutine
    finally:
        opening.reset(token)
    if leaves is None:
        await deny(cast("Reply", call.reply), scope, send)
        return
    socket: WebSocket[Any, Any] = WebSocket(scope, receive, send, hub, program.options)
    try:
        await program.run(socket, leaves)
    finally:
        hub.leave(socket)


async def deny(reply: Reply, scope: Scope, send: Send) -> None:
    """Refuse a handshake, with the reply where the server can do that, else by its 403."""
    status, headers, body = reply[:3]
    whole = body if isinstance(body, bytes) else b"".join([piece async for piece in body])
    extensions: Mapping[str, Any] = scope.get("extensions") or {}
    if "websocket.http.response" not in extensions:
        await send({"type": "websocket.close", "code": NORMAL, "reason": ""})
        return
    fields = [pair for pair in headers if pair[0].lower() != b"content-length"]
    fields.append((b"content-length", str(len(whole)).encode()))
    await send({"type": "websocket.http.response.start", "status": status, "headers": fields})
    await send({"type": "websocket.http.response.body", "body": whole})


def kinds_of(kind: Any) -> tuple[Any, Any]:
    """In and Out of an annotation."""
    found = get_args(kind)
    return (found[0], found[1]) if len(found) == 2 else (Any, Any)
