"""How both versions of the API answer a request: check access, find the route and the parameters, respond."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from exporter.simulator.http import HTTPError, Request, Response, invalid, not_found
from exporter.simulator.options import Options
from exporter.simulator.world import World

ContextT = TypeVar("ContextT")


@dataclass(frozen=True, slots=True)
class Context:
    """The world at the time of a request, in Unix seconds."""

    world: World
    options: Options
    now: float


@dataclass(frozen=True, slots=True)
class Route(Generic[ContextT]):
    """An endpoint. `{id}` in its path is a positive number, which the handler receives; 0 if there is none.

    parameters: those of the query. undocumented: further ones, known only from the sources of other clients.
    """

    method: str
    path: str
    handler: Callable[[ContextT, Request, int], Response]
    parameters: frozenset[str] = frozenset()
    undocumented: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Api(Generic[ContextT]):
    """One version of the API. `always_rejected`: parameters that earn 400 on every route without them."""

    routes: tuple[Route[ContextT], ...]
    make_context: Callable[[World, Options, float], ContextT]
    check_access: Callable[[Request, Options, Collection[str]], None]
    error_response: Callable[[HTTPError], Response]
    always_rejected: frozenset[str] = frozenset()

    def handle(self, request: Request, world: World, options: Options, tokens: Collection[str]) -> Response:
        """The response of k6 Cloud to this request. A request that acts changes the world."""
        world.advance(request.at)
        try:
            # Before the route, so that a wrong token gets 401 for every path.
            self.check_access(request, options, tokens)
            route, object_id = self._match_route(request)
            known = self._drop_unknown_parameters(request, route, options)
            return route.handler(self.make_context(world, options, request.at), known, object_id)
        except HTTPError as error:
            return self.error_response(error)

    def _match_route(self, request: Request) -> tuple[Route[ContextT], int]:
        allowed = []
        for route in self.routes:
            # At most 18 digits: they always fit in 64 bits.
            found = re.fullmatch(route.path.replace("{id}", "([1-9][0-9]{0,17})"), request.path)
            if found and route.method == request.method:
                return route, int(found[1]) if found.groups() else 0
            if found:
                allowed.append(route.method)
        if not allowed:
            raise not_found()
        headers = (("allow", ", ".join(allowed)),)
        raise HTTPError(405, f"Method {request.method} not allowed", headers=headers)

    def _drop_unknown_parameters(self, request: Request, route: Route[ContextT], options: Options) -> Request:
        known = route.parameters | (frozenset() if options.documented_only else route.undocumented)
        for name, _ in request.query:
            if name not in known and (options.reject_unknown_parameters or name in self.always_rejected):
                raise invalid(name, "Unknown parameter.")
        return replace(request, query=tuple(it for it in request.query if it[0] in known))
