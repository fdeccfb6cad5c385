"""A form with files, piece by piece, whichever face it comes by: what is wrong with it answers its call."""

from typing import TYPE_CHECKING, Any

from velocem.exceptions import HTTPError
from velocem.uploads import Incoming, begin

if TYPE_CHECKING:
    from velocem._core import Call
    from velocem.app import App


def form_of(call: "Call", headers: Any, app: "App") -> Incoming | None:
    """One that is to be read piece by piece; where it cannot be, the call is answered."""
    try:
        return begin(call, headers, app.form_limits)
    except HTTPError as error:
        call.fail(error)
        return None


def feed(form: Incoming, call: "Call", data: bytes | None) -> bool:
    """False when that was too much (None), or is no form, and the call is answered."""
    try:
        if data is not None:
            form.feed(data)
            return True
        call.refuse(413)
    except HTTPError as error:
        call.fail(error)
    return False


def finish(form: Incoming, call: "Call") -> bytes:
    try:
        return form.finish()
    except HTTPError as error:
        call.fail(error)
        return b""
