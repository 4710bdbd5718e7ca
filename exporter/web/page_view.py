"""The filters of the status page, by state, project and name: the query of its URL."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from exporter.formatting import quote_value
from exporter.model import LoadTest, Project

MAX_VALUE = 255  # characters; no name in k6 Cloud is longer
# Values of `state`, each with the label of its number on the page.
STATES = {"failing": "failing", "passing": "passing", "active": "active", "none": "without result"}


@dataclass(frozen=True, slots=True)
class PageView:
    """Filters of the status page; an empty one matches every test.

    `state` is one of STATES, or a value that matches nothing. `project` is an id or a name, `text` is a part
    of the name of a test, and case matters in neither. If `is_refreshing`, browsers load the page again.
    """

    state: str = ""
    project: str = ""
    text: str = ""
    is_refreshing: bool = True

    @property
    def is_filtered(self) -> bool:
        return bool(self.state or self.project or self.text)

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the URL that are not empty."""
        refresh = "" if self.is_refreshing else "off"
        parameters = {"state": self.state, "project": self.project, "q": self.text, "refresh": refresh}
        return {name: value for name, value in parameters.items() if value}

    def url(self, **changes: Any) -> str:
        """The relative URL of this view with some fields changed. A reverse proxy may add a prefix."""
        return f"?{urlencode(replace(self, **changes).parameters)}"

    def matches(self, test: LoadTest, project: Project | None) -> bool:
        """Whether a test matches the filters other than that by state."""
        if self.text.casefold() not in test.name.casefold():
            return False
        return not self.project or self.matches_project(test.project_id, project)

    def matches_project(self, project_id: int | None, project: Project | None) -> bool:
        names = [str(project_id)] if project is None else [str(project_id), project.name.casefold()]
        return project_id is not None and self.project.casefold() in names

    def describe(self) -> str:
        """The filters as text, such as 'state failing, name contains "soak"'."""
        parts = []
        if self.state in STATES:
            parts.append(f"state {self.state}")
        elif self.state:
            parts.append(f"state {quote_value(self.state)} (it can be {', '.join(STATES)})")
        if self.project:
            parts.append(f"project {quote_value(self.project)}")
        if self.text:
            parts.append(f"name contains {quote_value(self.text)}")
        return ", ".join(parts)


def parse_view(query: Mapping[str, str]) -> PageView:
    """The view of a URL's query. Unknown parameters and characters that cannot be printed are ignored, and
    long values are cut.
    """
    values = (filter(str.isprintable, query.get(name, "")) for name in ("state", "project", "q"))
    state, project, text = ("".join(value).strip()[:MAX_VALUE] for value in values)
    return PageView(state.lower(), project, text, query.get("refresh") != "off")
