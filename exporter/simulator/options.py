"""Switches of the simulator for what the vendor's documents leave open or contradict themselves about."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Timestamps(StrEnum):
    """The form of a timestamp: the documents show NAIVE and Z, a live response was seen with OFFSET."""

    NAIVE = "naive"  # 2020-08-18T13:33:41
    Z = "z"  # 2020-08-18T13:33:41Z
    OFFSET = "offset"  # 2020-08-18T13:33:41+00:00


class NextLink(StrEnum):
    """The form of the link to the next page in v6. OTHER_HOST and LOOP are wrong; the others were seen."""

    ABSOLUTE = "absolute"  # https://api.k6.io/cloud/v6/test_runs?$skip=50&$top=20
    HTTP = "http"  # http, whatever the scheme of the request
    ENCODED = "encoded"  # ?%24skip=50&%24top=20
    RELATIVE = "relative"  # /cloud/v6/test_runs?$skip=50&$top=20
    EMPTY_AT_END = "empty at end"  # absolute, and an empty string on the last page
    OTHER_HOST = "other_host"  # on another host
    LOOP = "loop"  # the page itself, on each page


_ZONES = {Timestamps.NAIVE: "", Timestamps.Z: "Z", Timestamps.OFFSET: "+00:00"}


def _format_timestamp(time: float | None, form: Timestamps, *, microseconds: bool) -> str | None:
    """A time in Unix seconds in that form, in UTC."""
    if time is None:
        return None
    utc = datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds" if microseconds else "seconds")
    return utc.removesuffix("+00:00") + _ZONES[form]


@dataclass(frozen=True, slots=True)
class V6Options:
    """How the v6 API responds. The defaults are what its schema and the official client require.

    stack_id, stack_url: the Grafana stack that shows the world's default organization.
    timestamps, microseconds: the form of every timestamp; live responses had Z and microseconds.
    max_top: the most objects on a page, and the number if the request gives none.
    clamp_top: a larger `$top` is reduced to that number; refused with 400 otherwise.
    next_link: the form of the link to the next page.
    null_extra: a status without extra fields has `extra: null`; otherwise the key is absent.
    """

    stack_id: int = 1
    stack_url: str = "https://simulated.grafana.net"
    timestamps: Timestamps = Timestamps.Z
    microseconds: bool = True
    max_top: int = 1000
    clamp_top: bool = False
    next_link: NextLink = NextLink.ABSOLUTE
    null_extra: bool = False

    def timestamp(self, time: float | None) -> str | None:
        """A time in Unix seconds as this API writes it, in UTC."""
        return _format_timestamp(time, self.timestamps, microseconds=self.microseconds)


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulator responds. The defaults are what the documents show.

    Both API versions follow `reject_unknown_parameters`; the others are for the legacy API, and `v6` is for
    v6.

    timestamps, microseconds: the form of every timestamp.
    default_page_size: objects on a page if the request gives no number; None: all.
    max_page_size: a larger `page_size` is reduced to this one.
    missing_page_is_404: 404 for a page after the last one; an empty list otherwise.
    documented_only: parameters known only from the sources of other clients are unknown here: `page`,
        `page_size` and `order_by` of the list of runs, which then is one page, and `$select` of the list of
        tests.
    reject_unknown_parameters: an unknown parameter earns 400; it is ignored otherwise.
    paged_projects: organizations and projects come in pages of `default_page_size` with their count; the
        documents show neither.
    ids_only_in_default_project: `ids[]` without `project_id` finds tests of the default project only.
    """

    timestamps: Timestamps = Timestamps.NAIVE
    microseconds: bool = False
    default_page_size: int | None = 100
    max_page_size: int = 100
    missing_page_is_404: bool = False
    documented_only: bool = False
    reject_unknown_parameters: bool = False
    paged_projects: bool = False
    ids_only_in_default_project: bool = False
    v6: V6Options = V6Options()

    def timestamp(self, time: float | None) -> str | None:
        """A time in Unix seconds as the legacy API writes it, in UTC."""
        return _format_timestamp(time, self.timestamps, microseconds=self.microseconds)
