"""Which endpoint a request is for: a table of paths, shared by both generations of the API."""

import re
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Addressed(Protocol):
    """An endpoint; `{id}` in its path is a number."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...


Endpoint = TypeVar("Endpoint", bound=Addressed)


class Table(Generic[Endpoint]):
    """Endpoints by their paths."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._patterns = [(re.compile(it.path.replace("{id}", "([0-9]{1,18})")), it) for it in endpoints]

    def at(self, path: str) -> list[tuple[Endpoint, int]]:
        """Every endpoint at this path, whatever its method, and the id in the path, 0 where there is none."""
        return [
            (endpoint, int(found[1]) if found.groups() else 0)
            for pattern, endpoint in self._patterns
            if (found := pattern.fullmatch(path))
        ]
