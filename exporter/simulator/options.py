"""Where the vendor's documents are silent or contradict themselves, the simulator has a switch."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Timestamps(StrEnum):
    """How a moment is written: the documents show NAIVE and Z, a live answer was once seen with OFFSET."""

    NAIVE = "naive"  # 2020-08-18T13:33:41
    Z = "z"  # 2020-08-18T13:33:41Z
    OFFSET = "offset"  # 2020-08-18T13:33:41+00:00


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulator tells its world. The defaults are what the documents show.

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

    def timestamp(self, moment: float | None) -> str | None:
        """A moment in Unix seconds as this API writes it, in UTC."""
        if moment is None:
            return None
        naive = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
        written = naive.isoformat(timespec="microseconds" if self.microseconds else "seconds")
        return (
            written + {Timestamps.NAIVE: "", Timestamps.Z: "Z", Timestamps.OFFSET: "+00:00"}[self.timestamps]
        )
