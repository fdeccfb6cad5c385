"""Pages from templates of Jinja2, which ``pip install velocem[templates]`` brings."""

from collections.abc import Callable, Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any

from velocem.headers import Pairs
from velocem.responses import Html

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Templates:
    """Those of a folder: ``pages = Templates("templates")``, then ``return pages("user.html", user=user)``.

    What stands in a page is escaped. ``environment`` is Jinja2's, for filters and whatever else it knows; ``values``
    are there in every page.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        *,
        values: Mapping[str, Any] = NOTHING,
        filters: Mapping[str, Callable[..., Any]] = NOTHING,
    ) -> None:
        import jinja2  # noqa: PLC0415

        self.environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True)
        self.environment.globals.update(values)
        self.environment.filters.update(filters)

    def render(self, name: str, /, **values: Any) -> str:
        """The text. Jinja2's TemplateNotFound, and what the page raises."""
        return self.environment.get_template(name).render(**values)

    def __call__(self, name: str, /, *, status: int = 200, headers: Pairs = (), **values: Any) -> Html:
        """The page, as a response."""
        return Html(self.render(name, **values), status, headers)
