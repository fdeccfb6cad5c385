"""Finding the application: from ``module:attribute`` to an object that can be called."""

import ast
import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, cast

from velocem.exceptions import ApplicationError, ConfigError, StartError
from velocem.types import Application


class Target(NamedTuple):
    """A parsed ``module:attribute.attribute(arguments)``."""

    spec: str
    module: str
    attributes: tuple[str, ...]
    call: ast.Call | None


def parse(spec: str) -> Target:
    """Raise ConfigError for anything but module:attribute and the call form."""
    module, colon, expression = spec.partition(":")
    if module.endswith(".py") or os.sep in module:
        raise ConfigError(f"{spec!r} names a file; give a module and an attribute, as app:app")
    if not colon or not all(part.isidentifier() for part in module.split(".")):
        raise ConfigError(f"{spec!r} is not of the form module:attribute")
    try:
        body = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ConfigError(f"{spec!r} is not of the form module:attribute") from None
    call = body if isinstance(body, ast.Call) else None
    return Target(spec, module, attribute_names(call.func if call else body, spec), call)


def attribute_names(node: ast.expr, spec: str) -> tuple[str, ...]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ConfigError(f"{spec!r} is not of the form module:attribute")
    return (node.id, *reversed(names))


def call_arguments(target: Target) -> tuple[list[object], dict[str, object]]:
    """Literals only: a command line is no place for code."""
    if target.call is None:
        return [], {}
    try:
        positional = [literal(node) for node in target.call.args]
        return positional, {keyword_name(node): literal(node.value) for node in target.call.keywords}
    except ValueError:
        raise ConfigError(f"{target.spec!r}: arguments of a factory must be literals") from None


def literal(node: ast.expr) -> object:
    return ast.literal_eval(node)


def keyword_name(node: ast.keyword) -> str:
    if node.arg is None:
        raise ValueError("**mapping")
    return node.arg


def load(spec: str, *, app_dir: str = ".", factory: bool = False, interface: str = "auto") -> Application:
    """Import what spec names, from app_dir first, and check that it can be served."""
    target = parse(spec)
    arguments = call_arguments(target)
    add_to_path(app_dir)
    found = find_attribute(import_module(target), target)
    if factory or target.call is not None:
        found = call_factory(found, target, *arguments)
    return check(found, spec, interface)


def add_to_path(app_dir: str) -> None:
    folder = Path(app_dir).absolute()
    if not folder.is_dir():
        raise StartError(f"--app-dir: {app_dir} is not a folder")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def import_module(target: Target) -> object:
    try:
        return importlib.import_module(target.module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        own = strip_frames(error.__traceback__)
        if isinstance(error, ModuleNotFoundError) and own is None and is_or_holds(error.name, target.module):
            raise StartError(f"no module named {error.name!r}, looking for {target.spec!r}") from None
        raise ApplicationError(f"importing {target.module!r} failed") from error.with_traceback(own)


def is_or_holds(name: str | None, module: str) -> bool:
    return name is not None and f"{module}.".startswith(f"{name}.")


def strip_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Without the frames of this file and of importlib that come before the application's own."""
    while traceback is not None and is_machinery(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    return traceback


def is_machinery(filename: str) -> bool:
    return filename in (__file__, importlib.__file__) or filename.startswith("<frozen importlib")


def find_attribute(found: object, target: Target) -> object:
    path = target.module
    for name in target.attributes:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise StartError(f"{path!r} has no attribute {name!r}, looking for {target.spec!r}") from None
        path += f".{name}"
    return found


def call_factory(factory: object, target: Target, positional: list[object], named: dict[str, object]) -> object:
    if not callable(factory):
        raise StartError(f"{target.spec!r} is not callable: {describe(factory)}")
    try:
        return factory(*positional, **named)
    except Exception as error:  # noqa: BLE001
        own = strip_frames(error.__traceback__)
        if own is None and isinstance(error, TypeError):
            raise StartError(f"the factory {target.spec!r} cannot be called: {error}") from None
        raise ApplicationError(f"the factory {target.spec!r} failed") from error.with_traceback(own)


def check(app: object, spec: str, interface: str = "auto") -> Application:
    """Refuse what cannot be an application of this interface."""
    if not callable(app):
        raise StartError(f"{spec!r} is not callable: {describe(app)}")
    speaks = interface_of(app, interface)
    if speaks == "native":
        return check_native(app, spec)
    if speaks == "asgi":
        return check_asgi(app, spec)
    if is_factory(app, 2):
        raise StartError(f"{spec!r} does not take (environ, start_response); is it a factory? Then add --factory")
    return cast("Application", app)


def check_native(app: object, spec: str) -> Application:
    if not is_native(app):
        raise StartError(f"{spec!r} is no velocem.App: {describe(app)}")
    return cast("Application", app)


def check_asgi(app: object, spec: str) -> Application:
    if is_asgi_2(app):
        raise StartError(f"{spec!r} is an application of ASGI 2; this server speaks ASGI 3 only")
    if is_factory(app, 3):
        raise StartError(f"{spec!r} does not take (scope, receive, send); is it a factory? Then add --factory")
    return cast("Application", app)


def interface_of(app: object, interface: str) -> str:
    """Native, wsgi or asgi: what was asked for, or what the application looks like."""
    if interface != "auto":
        return interface
    if is_native(app):
        return "native"
    return "asgi" if is_asgi(app) else "wsgi"


def describe(found: object) -> str:
    return f"it is of type {type(found).__name__}"


def is_native(app: object) -> bool:
    """An application of this package's own interface, as velocem.App is."""
    return hasattr(type(app), "__velocem_core__")


def is_asgi(app: object) -> bool:
    """Async callables, also behind functools.partial, and classes whose instances are awaited or called so."""
    while isinstance(app, functools.partial):
        app = app.func
    if inspect.isclass(app):
        return is_awaited_class(app) or (is_asgi_2(app) and inspect.iscoroutinefunction(getattr(app, "__call__", None)))  # noqa: B004
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004


def is_awaited_class(app: object) -> bool:
    """Its instances are the awaitables of their calls."""
    return inspect.isclass(app) and hasattr(app, "__await__")


def is_asgi_2(app: object) -> bool:
    """A class that is made of the scope alone, and called again with the rest."""
    return inspect.isclass(app) and fits(app, 1) and not fits(app, 3)


def fits(app: Callable[..., object], count: int) -> bool:
    try:
        inspect.signature(app).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def is_factory(app: object, count: int) -> bool:
    """A plain function that so many positional arguments do not fit."""
    # Wrappers that copy the signature of what they wrap (as werkzeug's Request.application does) say nothing here.
    if not inspect.isfunction(app) or hasattr(app, "__signature__"):
        return False
    try:
        inspect.signature(app, follow_wrapped=False).bind(*[None] * count)
    except TypeError:
        return True
    return False
