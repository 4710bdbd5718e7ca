"""The rendered status pages: few at a time, however many clients request however many views."""

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool

from exporter.shared_call import SharedCall
from exporter.web.page_view import PageView
from exporter.web.status_page import Status, render

# Filtered views that are rendered in a second, and kept. A page of a thousand tests has some megabytes and
# takes some 0.1 s to render.
MAX_FILTERED = 8


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """The status page of a status, as it is sent."""

    status: Status
    plain: bytes
    gzip: bytes


class StatusPage:
    """One view of the status page, rendered at most once for each change and second."""

    def __init__(self, status: Callable[[], Status], view: PageView, rendering: asyncio.Lock) -> None:
        self._status = status
        self._view = view
        self._rendering = rendering
        self._rendered: RenderedPage | None = None
        self.latest = SharedCall(self._latest)

    async def _latest(self) -> RenderedPage:
        if self._rendered is None or version(self._rendered.status) != version(self._status()):
            async with self._rendering:
                # In a thread, since scrapes must not wait for it.
                self._rendered = await run_in_threadpool(render_status_page, self._status(), self._view)
        return self._rendered

    def is_in_use(self, now: float) -> bool:
        """Whether a client waits for the page, or it is that of the time `now`."""
        return not self.latest.is_idle or (self._rendered is not None and self._rendered.status.now == now)


class StatusPages:
    """All views of the status page.

    The page without filters always has a place. All others share a limited number of places, and one page is
    rendered at a time, so that a flood of different filters costs little memory and delays no scrape.
    """

    def __init__(self, status: Callable[[], Status]) -> None:
        self._read_status = status
        self._rendering = asyncio.Lock()
        unfiltered = (PageView(is_refreshing=is_refreshing) for is_refreshing in (True, False))
        self._unfiltered = {view: self._create(view) for view in unfiltered}
        self._filtered: dict[PageView, StatusPage] = {}

    async def latest(self, view: PageView) -> RenderedPage | None:
        """The page as of now; None if too many other views are requested in this second."""
        page = self._unfiltered.get(view) or self._filtered.get(view) or self._add(view)
        return await page.latest() if page else None

    def _add(self, view: PageView) -> StatusPage | None:
        if len(self._filtered) >= MAX_FILTERED:
            now = self._status().now
            self._filtered = {key: page for key, page in self._filtered.items() if page.is_in_use(now)}
        if len(self._filtered) >= MAX_FILTERED:
            return None
        return self._filtered.setdefault(view, self._create(view))

    def _create(self, view: PageView) -> StatusPage:
        return StatusPage(self._status, view, self._rendering)

    def _status(self) -> Status:
        status = self._read_status()
        # The page shows whole seconds: until the next one, only a poll can change it.
        return replace(status, now=float(int(status.now)))


def version(status: Status) -> tuple[object, ...]:
    """What a page depends on, without times: these differ by microseconds each time they are computed."""
    is_polling = status.polling_since is not None
    errors = [message for _, message in status.errors]
    return status.now, status.state, status.is_stale, status.last_poll_outcome, is_polling, errors


def render_status_page(status: Status, view: PageView) -> RenderedPage:
    page = render(status, view).encode()
    # The fastest level: most of a page is repeated markup, which any level compresses well.
    return RenderedPage(status, page, gzip.compress(page, compresslevel=1))
