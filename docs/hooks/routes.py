"""Adds the page of HTTP routes, written from ``docs/openapi.json``, when MkDocs collects the pages of the site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGE = "reference/http.md"
BEGIN = """# HTTP

Every route of the API, from its [OpenAPI description](../openapi.json). How they are used is told in
[the service](../service.md). Errors are `application/problem+json`.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs."""
    description = json.loads(Path(config.docs_dir, "openapi.json").read_bytes())
    files.append(File.generated(config, PAGE, content="\n".join([BEGIN, *_routes(description)])))
    return files


def _routes(description: dict[str, Any]) -> Iterator[str]:
    for path, operations in description["paths"].items():
        for method, told in operations.items():
            yield f"## {method.upper()} `{path}`\n\n**{told['summary']}.** {told.get('description', '')}\n"
            yield from _inputs(told)
            yield "| status | answer |\n|---|---|"
            yield from (
                f"| {status} | {_cell(answer['description'])} |" for status, answer in told["responses"].items()
            )
            yield ""


def _inputs(told: dict[str, Any]) -> Iterator[str]:
    rows = [
        f"| `{one['name']}` | {one['in']} | {_cell(one.get('description', ''))} |" for one in told.get("parameters", [])
    ]
    if rows:
        yield "\n".join(["| parameter | in | meaning |", "|---|---|---|", *rows, ""])
    if body := told.get("requestBody"):
        yield f"The body is {' or '.join(f'`{kind}`' for kind in body['content'])}.\n"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
