"""Prepares README.md for PyPI, which shows it without the files beside it. Run by hatchling."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ReadmeHook(MetadataHookInterface):
    """Adds the README to the metadata of the package, with absolute links and pictures."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        project, tag = metadata["urls"]["Source"], f"v{metadata['version']}"
        pictures = project.replace("github.com", "raw.githubusercontent.com")
        text = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{pictures}/{tag}/", text)
        text = re.sub(r"(?<!!)(\[[^]]*\]\()(?!https?:|#)", rf"\1{project}/blob/{tag}/", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
