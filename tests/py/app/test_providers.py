"""Providers and the lifespan: by type, once in a request, and cleaned up whatever happens."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest

from velocem.app import App
from velocem.exceptions import Conflict, NotFound, StartError
from velocem.params import Depends, Header
from velocem.requests import Request
from velocem.responses import Response
from velocem.testing import AsyncClient, Client


class Pool:
    def __init__(self, name: str = "pool") -> None:
        self.name = name


class Session:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.said: list[str] = []


class User:
    def __init__(self, name: str) -> None:
        self.name = name


def with_sessions(said: list[str], *, waiting: bool, blocking: bool = False) -> App:
    """Routes that use a session, which tells its beginning and its end."""
    app = App(blocking=blocking)

    @app.lifespan
    async def pools() -> AsyncIterator[Pool]:
        said.append("pool opened")
        yield Pool()
        said.append("pool closed")

    if waiting:

        @app.provide
        async def later(pool: Pool) -> AsyncIterator[Session]:
            said.append("begin")
            try:
                await asyncio.sleep(0)
                yield Session(pool)
            except Exception as error:
                said.append(f"rollback {type(error).__name__}")
                raise
            finally:
                said.append("end")

    else:

        @app.provide
        def now(pool: Pool) -> Iterator[Session]:
            said.append("begin")
            try:
                yield Session(pool)
            except Exception as error:
                said.append(f"rollback {type(error).__name__}")
                raise
            finally:
                said.append("end")

    @app.get("/name")
    def name(s: Session) -> str:
        said.append("handler")
        return s.pool.name

    @app.get("/fail")
    def fail(s: Session) -> None:
        raise NotFound

    @app.get("/break")
    def broken(s: Session) -> None:
        raise ZeroDivisionError

    @app.get("/bad")
    def bad(s: Session) -> Response:
        return Response(headers={"x": "\r\n"})

    @app.get("/stream")
    async def stream(s: Session) -> AsyncIterator[str]:
        for letter in "ab":
            said.append(letter)
            yield letter

    return app


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
def test_a_provider_is_cleaned_up_after_the_response(waiting: bool, blocking: bool) -> None:
    said: list[str] = []
    with Client(with_sessions(said, waiting=waiting, blocking=blocking)) as c:
        assert c.get("/name").text == "pool"
        assert said == ["pool opened", "begin", "handler", "end"]
        said.clear()
        assert c.get("/stream").text == "ab"
        assert said == ["begin", "a", "b", "end"]
        said.clear()
    assert said == ["pool closed"]


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
def test_a_provider_hears_of_what_its_handler_raised(waiting: bool, blocking: bool) -> None:
    said: list[str] = []
    with Client(with_sessions(said, waiting=waiting, blocking=blocking)) as c:
        said.clear()
        assert c.get("/fail").status == 404
        assert said == ["begin", "rollback NotFound", "end"]
        said.clear()
        assert c.get("/break").status == 500
        assert said == ["begin", "rollback ZeroDivisionError", "end"]


@pytest.mark.parametrize("waiting", [False, True])
def test_a_response_that_cannot_be_sent_ends_its_providers_too(waiting: bool) -> None:
    said: list[str] = []
    with Client(with_sessions(said, waiting=waiting)) as c:
        said.clear()
        assert c.get("/bad").status == 500
    assert said == ["begin", "end", "pool closed"]


def test_a_cancelled_request_cleans_up() -> None:
    said: list[str] = []
    app = App()

    @app.provide
    async def session() -> AsyncIterator[Session]:
        try:
            yield Session(Pool())
        except asyncio.CancelledError:
            said.append("cancelled")
            raise
        finally:
            said.append("end")

    @app.get("/")
    async def wait(s: Session) -> None:
        said.append("waiting")
        await asyncio.Event().wait()

    async def main() -> None:
        async with AsyncClient(app) as c:
            task = asyncio.create_task(c.get("/"))
            while "waiting" not in said:
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert said == ["waiting", "cancelled", "end"]


def test_providers_end_in_reverse_and_all_of_them(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    app = App()

    @app.provide
    def pool() -> Iterator[Pool]:
        yield Pool()
        said.append("pool")

    @app.provide
    async def session(pool: Pool) -> AsyncIterator[Session]:
        yield Session(pool)
        said.append("session")
        raise ValueError("too late")

    @app.provide
    def user(s: Session) -> Iterator[User]:
        yield User("u")
        said.append("user")

    @app.get("/")
    def show(user: User) -> str:
        return user.name

    with Client(app) as c:
        assert c.get("/").text == "u"
    assert said == ["user", "session", "pool"]
    assert "session() failed after the response" in caplog.text


def test_a_provider_may_put_another_error_in_the_place_of_one() -> None:
    app = App()

    @app.provide
    def pool() -> Iterator[Pool]:
        try:
            yield Pool()
        except KeyError:
            raise Conflict("there is one") from None

    @app.get("/")
    def show(pool: Pool) -> None:
        raise KeyError

    with Client(app) as c:
        assert c.get("/").json()["detail"] == "there is one"


def test_a_provider_that_swallows_an_error_does_not_undo_it() -> None:
    app = App()

    @app.provide
    def pool() -> Iterator[Pool]:
        with contextlib.suppress(NotFound):
            yield Pool()

    @app.get("/")
    def show(pool: Pool) -> None:
        raise NotFound

    with Client(app) as c:
        assert c.get("/").status == 404


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
def test_generators_that_do_not_yield_once(waiting: bool, blocking: bool, caplog: pytest.LogCaptureFixture) -> None:
    app = App(blocking=blocking)

    @app.provide
    def never() -> Iterator[Pool]:
        yield from ()

    @app.provide
    def twice() -> Iterator[Session]:
        yield Session(Pool())
        yield Session(Pool())

    if waiting:

        @app.before
        async def wait() -> None: ...

    app.get("/never")(need_pool)
    app.get("/twice")(need_session)
    with Client(app) as c:
        assert c.get("/never").status == 500
        assert "never() has not yielded" in caplog.text
        assert c.get("/twice").text == "pool"
    assert "twice() has yielded twice" in caplog.text


def need_pool(pool: Pool) -> str:
    return pool.name


def need_session(s: Session) -> str:
    return s.pool.name


def test_each_is_called_once_in_a_request_whoever_asks() -> None:
    calls: list[str] = []
    app = App()

    def current(authorization: Header[str | None] = None) -> User:
        calls.append("current")
        if authorization is None:
            raise NotFound("nobody")
        return User(authorization)

    @app.provide
    async def session(user: Annotated[User, Depends(current)]) -> Session:
        calls.append("session")
        return Session(Pool(user.name))

    @app.before
    def known(user: Annotated[User, Depends(current)]) -> None:
        calls.append("before")

    @app.get("/")
    def show(s: Session, again: Session, user: Annotated[User, Depends(current)]) -> list[Any]:
        return [s is again, s.pool.name, user.name]

    with Client(app) as c:
        assert c.get("/", headers={"authorization": "a"}).json() == [True, "a", "a"]
        assert calls == ["current", "before", "session"]
        assert c.get("/").json()["detail"] == "nobody"


def test_arguments_of_providers_are_checked_like_those_of_handlers() -> None:
    app = App()

    class Paging:
        def __init__(self, page: int = 1, size: int = 10) -> None:
            self.told = [page, size]

    @app.get("/")
    def show(paging: Annotated[Paging, Depends(Paging)], page: int = 1) -> list[int]:
        return [*paging.told, page]

    with Client(app) as c:
        assert c.get("/?page=2").json() == [2, 10, 2]
        wrong = c.get("/?page=x&size=y").json()["errors"]
        assert [error["loc"] for error in wrong] == [["query", "page"], ["query", "size"]]


def test_context_managers_are_providers() -> None:
    said: list[str] = []
    app = App()

    @app.lifespan
    @contextlib.asynccontextmanager
    async def pools() -> AsyncIterator[Pool]:
        yield Pool("made")
        said.append("closed")

    @app.provide
    @contextlib.contextmanager
    def session(pool: Pool) -> Iterator[Session]:
        yield Session(pool)
        said.append("end")

    app.get("/")(need_session)
    with Client(app) as c:
        assert c.get("/").text == "made"
    assert said == ["end", "closed"]


def test_overrides_are_for_as_long_as_they_are_asked_for() -> None:
    said: list[str] = []
    app = with_sessions(said, waiting=True)
    with Client(app) as c:
        with app.override(Session, Session(Pool("fake"))):
            assert c.get("/name").text == "fake"
        assert c.get("/name").text == "pool"
        with app.override(Pool, Pool("other")):
            assert c.get("/name").text == "other"
    with app.override(Pool, Pool("never opened")), Client(app) as c:
        said.clear()
        assert c.get("/name").text == "never opened"
    assert said == ["begin", "handler", "end"]

    def who() -> str:
        return "nobody"

    @app.get("/who")
    def tell(name: Annotated[str, Depends(who)]) -> str:
        return name

    with Client(app) as c, app.override(who, "me"):
        assert c.get("/who").text == "me"


def test_the_lifespan_runs_in_the_order_of_its_needs_and_ends_in_reverse() -> None:
    said: list[str] = []
    app = App()

    @app.lifespan
    async def sessions(pool: Pool, app: App) -> AsyncIterator[Session]:
        said.append("session")
        yield Session(pool)
        said.append("session closed")

    @app.lifespan
    def pools() -> Iterator[Pool]:
        said.append("pool")
        yield Pool()
        said.append("pool closed")

    @app.lifespan
    async def nothing() -> AsyncIterator[None]:
        said.append("nothing")
        yield
        said.append("nothing closed")

    @app.lifespan
    def at_once() -> User:
        return User("u")

    @app.get("/")
    def show(s: Session, user: User) -> str:
        return s.pool.name + user.name

    with Client(app) as c:
        assert c.get("/").text == "poolu"
        assert said == ["pool", "nothing", "session"]
    assert said[3:] == ["session closed", "nothing closed", "pool closed"]


def test_a_start_that_fails_ends_what_has_begun() -> None:
    said: list[str] = []
    app = App()

    @app.lifespan
    async def pools() -> AsyncIterator[Pool]:
        try:
            yield Pool()
        finally:
            said.append("closed")

    @app.lifespan
    async def sessions(pool: Pool) -> AsyncIterator[Session]:
        if pool.name:
            raise OSError("no database")
        yield Session(pool)

    with pytest.raises(OSError, match="no database"), Client(app):
        pass
    assert said == ["closed"]


def circle_of_lifespans(app: App) -> None:
    @app.lifespan
    def pools(s: Session) -> Iterator[Pool]:
        yield Pool()

    @app.lifespan
    def sessions(p: Pool) -> Iterator[Session]:
        yield Session(p)


def circle_of_providers(app: App) -> None:
    @app.provide
    def pool(s: Session) -> Pool:
        return s.pool

    @app.provide
    def session(p: Pool) -> Session:
        return Session(p)

    app.get("/")(need_pool)


def two_of_a_kind(app: App) -> None:
    app.provide(lambda_of(Pool))
    app.provide(lambda_of(Pool))


def two_resources(app: App) -> None:
    app.lifespan(lambda_of(Pool))
    app.lifespan(lambda_of(Pool))


def lambda_of(kind: type) -> Callable[[], Any]:
    def made() -> Any:
        return kind()

    made.__annotations__["return"] = kind
    return made


def unsaid(app: App) -> None:
    @app.provide
    def pool():  # type: ignore[no-untyped-def] # noqa: ANN202
        return Pool()


def unsaid_generator(app: App) -> None:
    @app.lifespan
    def pool() -> Any:
        yield Pool()


def request_in_the_lifespan(app: App) -> None:
    @app.lifespan
    def pool(page: int = 1) -> Iterator[Pool]:
        yield Pool()


def nobody_provides(app: App) -> None:
    app.get("/")(need_pool)


def error_handler_wants_a_session(app: App) -> None:
    @app.provide
    def session() -> Session:
        return Session(Pool())

    @app.error(KeyError)
    def answer(e: KeyError, s: Session) -> str:
        return ""

    app.get("/")(lambda: "")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (circle_of_lifespans, "need each other"),
        (circle_of_providers, "need each other"),
        (two_of_a_kind, "two functions provide"),
        (two_resources, "two functions of the lifespan give Pool"),
        (unsaid, "-> X"),
        (unsaid_generator, "-> Iterator"),
        (request_in_the_lifespan, "there is none yet"),
        (nobody_provides, "nothing provides it"),
        (error_handler_wants_a_session, "comes with a request"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_provided_stops_the_start(build: Callable[[App], None], said: str) -> None:
    app = App()
    build(app)
    with pytest.raises(StartError, match=said), Client(app):
        pass


def test_a_request_may_be_taken_by_a_provider() -> None:
    app = App()

    @app.provide
    def user(req: Request, app: App) -> User:
        req.state["user"] = "from the state"
        return User(req.path)

    @app.get("/{x}")
    def show(user: User, x: str, req: Request) -> list[str]:
        return [user.name, x, req.state["user"]]

    with Client(app) as c:
        assert c.get("/a").json() == ["/a", "a", "from the state"]


def test_defs_of_a_blocking_route_run_in_threads() -> None:
    main = threading.get_ident()
    where: dict[str, bool] = {}
    app = App(blocking=True)

    @app.provide
    def pool() -> Iterator[Pool]:
        where["provider"] = threading.get_ident() == main
        yield Pool()
        where["clean-up"] = threading.get_ident() == main

    @app.before
    def before() -> None:
        where["before"] = threading.get_ident() == main

    @app.after
    def after(res: Response) -> None:
        where["after"] = threading.get_ident() == main

    @app.get("/")
    def show(pool: Pool) -> str:
        where["handler"] = threading.get_ident() == main
        return pool.name

    with Client(app) as c:
        assert c.get("/").text == "pool"
        assert where == dict.fromkeys(["before", "provider", "handler", "after", "clean-up"], False)
        where.clear()

        @app.before
        async def waits() -> None: ...

        assert c.get("/").text == "pool"
        assert where == dict.fromkeys(["before", "provider", "handler", "after", "clean-up"], False)
