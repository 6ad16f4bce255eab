"""``python -m tests.docs.http_api_page`` writes docs/http-api.md from the service's own description of its API."""

from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"

HEAD = """# HTTP API

Made from the service's OpenAPI description (`/docs.json`; `/` shows it): `python -m tests.docs.http_api_page`. How to
use it, with examples, limits and tokens: [serving](serving.md).
"""
ORDER = ("get", "post", "put", "delete")


def http_api_page() -> str:
    """The page."""
    from bento.openapi import document

    described = document("")
    lines = [HEAD]
    for path, methods in described["paths"].items():
        for method in (m for m in ORDER if m in methods):
            lines += _operation(path, method, methods[method], described)
    return "\n".join(lines).rstrip() + "\n"


def _operation(path: str, method: str, told: dict[str, Any], described: dict[str, Any]) -> list[str]:
    lines = [f"## `{method.upper()} {path}`", "", *_text(told.get("description") or told.get("summary") or ""), ""]
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        lines += _fields("Body", body.get("schema", {}), described)
    rows = [
        f"| {code} | {_cell(answer.get('description', ''))} |" for code, answer in told.get("responses", {}).items()
    ]
    return [*lines, "| status | meaning |", "|---|---|", *rows, ""]


def _fields(title: str, schema: dict[str, Any], described: dict[str, Any]) -> list[str]:
    resolved = _resolved(schema, described)
    properties = resolved.get("properties", {})
    if not properties:
        return []
    needed = set(resolved.get("required", ()))
    rows = [_row(name, one, name in needed, described) for name, one in properties.items()]
    return [f"| {title.lower()} | type | needed | meaning |", "|---|---|---|---|", *rows, ""]


def _row(name: str, told: dict[str, Any], needed: bool, described: dict[str, Any]) -> str:
    asked = "yes" if needed else "no"
    return f"| `{name}` | {_type(told, described)} | {asked} | {_cell(told.get('description', ''))} |"


def _type(schema: dict[str, Any], described: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one, described) for one in schema["anyOf"])
    if "$ref" in schema:
        return f"{schema['$ref'].rpartition('/')[2]}"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), described)}"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _resolved(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = described["components"]["schemas"][name] if name else schema
    return found


def _text(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n")][:2]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(http_api_page())
