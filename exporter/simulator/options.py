"""Where the vendor's documents are silent or contradict themselves, the simulator has a switch."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Timestamps(StrEnum):
    """How a moment is written: the documents show NAIVE and Z, a live answer was once seen with OFFSET."""

    NAIVE = "naive"  # 2020-08-18T13:33:41
    Z = "z"  # 2020-08-18T13:33:41Z
    OFFSET = "offset"  # 2020-08-18T13:33:41+00:00


class NextLink(StrEnum):
    """How a v6 list tells where its next page is. FOREIGN and LOOP are wrong; the others were seen."""

    ABSOLUTE = "absolute"  # https://api.k6.io/cloud/v6/test_runs?$skip=50&$top=20
    HTTP = "http"  # http, whatever the scheme of the request
    ENCODED = "encoded"  # ?%24skip=50&%24top=20
    RELATIVE = "relative"  # /cloud/v6/test_runs?$skip=50&$top=20
    EMPTY_AT_END = "empty at end"  # absolute, and an empty string on the last page
    FOREIGN = "foreign"  # on another host
    LOOP = "loop"  # the page itself, on each page


_ZONES = {Timestamps.NAIVE: "", Timestamps.Z: "Z", Timestamps.OFFSET: "+00:00"}


def _written(moment: float | None, form: Timestamps, *, microseconds: bool) -> str | None:
    """A moment in Unix seconds in that form, in UTC."""
    if moment is None:
        return None
    utc = datetime.fromtimestamp(moment, UTC).isoformat(
        timespec="microseconds" if microseconds else "seconds"
    )
    return utc.removesuffix("+00:00") + _ZONES[form]


@dataclass(frozen=True, slots=True)
class V6Options:
    """How the v6 API tells the world. The defaults are what its schema and the official client demand.

    stack_id, stack_url: the Grafana stack whose data is told, that of the world's default organization.
    token_scheme: `Authorization: Token` is let in as well as Bearer.
    timestamps, microseconds: the written form of every moment; live answers were seen in Z with microseconds.
    max_top: objects on a page at most, and when the request does not say.
    clamp_top: a larger `$top` is taken for that one; refused with 400 otherwise.
    next_link: how the next page is told. count_as_string: `@count` is one, as v5 once told it.
    cost_as_strings: the schema allows either for each number of a cost.
    empty_result_details: `{}` in place of null, as older servers told it.
    null_extra: a status without anything extra tells so as null; otherwise the key is absent.
    null_in_errors: an error tells null for the `target` and the `details` it has not; absent otherwise.
    baseline: tests tell `baseline_test_run_id`, which is announced to go on 2026-09-01.
    schedules_forbidden: 403 for the list of schedules.
    """

    stack_id: int = 1
    stack_url: str = "https://simulated.grafana.net"
    token_scheme: bool = False
    timestamps: Timestamps = Timestamps.Z
    microseconds: bool = True
    max_top: int = 1000
    clamp_top: bool = False
    next_link: NextLink = NextLink.ABSOLUTE
    count_as_string: bool = False
    cost_as_strings: bool = False
    empty_result_details: bool = False
    null_extra: bool = False
    null_in_errors: bool = False
    baseline: bool = True
    schedules_forbidden: bool = False

    def timestamp(self, moment: float | None) -> str | None:
        """A moment in Unix seconds as this API writes it, in UTC."""
        return _written(moment, self.timestamps, microseconds=self.microseconds)


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulator tells its world. The defaults are what the documents show.

    Both generations heed `numbers_as_strings`, `nulls`, `extra_keys`, `reject_unknown_parameters` and
    `auth_required`; the others are about the legacy API, and `v6` is about v6.

    timestamps, microseconds: the written form of every moment.
    numbers_as_strings, nulls, extra_keys: every number quoted; these fields told as null; unknown keys added.
    default_page_size: objects on a page when the request does not say; None: all.
    max_page_size: a larger `page_size` is taken for this one.
    missing_page_is_404: what a page past the last one earns; an empty list otherwise.
    documented_only: parameters known only from the sources of other clients are unknown here: `page`,
        `page_size` and `order_by` of the runs list, which then comes whole, and `$select` of the tests list.
    reject_unknown_parameters: an unknown parameter earns 400; ignored otherwise.
    ids_only_in_default_project: `ids[]` without `project_id` looks for tests in the default project only.
    auth_required: if not, a request without Authorization is answered; a wrong token is refused all the same.
    """

    timestamps: Timestamps = Timestamps.NAIVE
    microseconds: bool = False
    numbers_as_strings: bool = False
    nulls: frozenset[str] = frozenset()
    extra_keys: bool = False
    default_page_size: int | None = 100
    max_page_size: int = 100
    missing_page_is_404: bool = False
    documented_only: bool = False
    reject_unknown_parameters: bool = False
    ids_only_in_default_project: bool = False
    auth_required: bool = True
    v6: V6Options = V6Options()

    def timestamp(self, moment: float | None) -> str | None:
        """A moment in Unix seconds as the legacy API writes it, in UTC."""
        return _written(moment, self.timestamps, microseconds=self.microseconds)
