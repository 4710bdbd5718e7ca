"""Definitions of custom resources that `make tools` gets with Go, as JSON schemas."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import Tree
from tests.support.documents import read_document


def require_built(path: Path, name: str) -> None:
    """Skip the test if something that `make tools` gets with Go is missing; fail in CI."""
    if path.exists():
        return
    if os.environ.get("CI") == "true" and shutil.which("go"):
        pytest.fail(f"{name} is missing; run make tools")
    pytest.skip(f"{name} is not here; make tools gets it where Go is installed")


def read_schema(path: Path, kind: str) -> Tree:
    """The JSON schema of the newest version of a resource, in which unknown fields are errors."""
    found = (tree for tree in yaml.safe_load_all(read_document(path)) if tree)
    [definition] = (tree["spec"] for tree in found if tree["spec"]["names"]["kind"] == kind)
    schema: Tree = definition["versions"][0]["schema"]["openAPIV3Schema"]
    forbid_unknown_fields(schema)
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def forbid_unknown_fields(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            forbid_unknown_fields(value)
