"""The API's own documentation, readable without a network: /docs, /openapi.json and what each problem means."""

import html
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from connectors.api.problems import KINDS, MEDIA, anchor
from connectors.api.security import SCOPES, Scope

STATIC: Final = Path(__file__).parent / "static"
FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
}
"""swagger-ui-dist 5.35.0 (Apache-2.0) and the line that starts it."""
START: Final = b'SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null});\n'
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/static/swagger-ui.css"></head><body>{body}</body></html>
"""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
ABOUT: Final = """What may be promised of every SKU, how old that knowledge is, and the streams to follow it.

Times are milliseconds since 1970-01-01 UTC, dates in answers days since then, quantities base units of the item. Every
availability answer carries `as_of` and `age_ms` (business time), a stamp for each source, the status of the feeds
behind it and the fallback applied. Refusals are RFC 9457 problems; their kinds are listed
[here](/docs/problems). Send an API key or a token as `Authorization: Bearer …`, or a key as `X-API-Key`.
"""
router = APIRouter(include_in_schema=False)


def page(title: str, body: str) -> Response:
    return Response(
        PAGE.format(title=html.escape(title), body=body),
        media_type="text/html",
        headers={"Content-Security-Policy": POLICY},
    )


@router.get("/docs")
async def docs() -> Response:
    """The description as a page to read and try."""
    return page(
        "Stockstream API",
        '<div id="docs"></div><script src="/docs/static/swagger-ui-bundle.js"></script>'
        '<script src="/docs/static/start.js"></script>',
    )


@router.get("/docs/static/{name}")
async def static(name: str) -> Response:
    """The files of the page; nothing else of the disk."""
    if name not in FILES:
        return Response(status_code=404)
    body = START if name == "start.js" else (STATIC / name).read_bytes()
    return Response(body, media_type=FILES[name], headers={"Cache-Control": "public, max-age=86400"})


@router.get("/docs/problems")
async def problems() -> Response:
    """What each kind of problem means, under the anchor its type names."""
    rows = "".join(
        f'<h2 id="{anchor(title)}">{html.escape(title)}</h2><p>{html.escape(text)}</p>' for title, text in KINDS.items()
    )
    return page("Problems of the Stockstream API", f'<div class="swagger-ui wrapper"><h1>Problems</h1>{rows}</div>')


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: what FastAPI derives, with security by scope and problems in their own media type."""
    if app.openapi_schema is None:
        document = get_openapi(title="Stockstream", version=app.version, description=ABOUT, routes=app.routes)
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "An API key (`sk_…`) or a token (JWT)."},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        for route in _routes(app.routes):
            if route.include_in_schema:
                for method in route.methods or ():
                    operation = document["paths"][route.path_format][method.lower()]
                    _complete(operation, _scope(route), document["components"]["schemas"])
        document["components"].get("schemas", {}).pop("HTTPValidationError", None)
        document["components"].get("schemas", {}).pop("ValidationError", None)
        app.openapi_schema = document
    return app.openapi_schema


def _routes(routes: Any) -> list[APIRoute]:
    """Every route, however routers are nested."""
    found: list[APIRoute] = []
    for route in routes:
        if isinstance(route, APIRoute):
            found.append(route)
        elif (router := getattr(route, "original_router", None)) is not None:
            found += _routes(router.routes)
    return found


def _scope(route: APIRoute) -> str | None:
    calls = [one.call for one in route.dependant.dependencies]
    return next((call.scope for call in calls if isinstance(call, Scope)), None)


def _complete(operation: dict[str, Any], scope: str | None, shapes: dict[str, Any]) -> None:
    if scope is not None:
        operation["security"] = [{"bearer": []}, {"key": []}]
        operation["x-scope"] = scope
        operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`. {SCOPES[scope]}".strip()
    for status, answer in operation["responses"].items():
        if status.isdigit() and int(status) >= 400 and "application/json" in answer.get("content", {}):
            example = {"type": "about:blank", "title": answer["description"], "status": int(status), "detail": "…"}
            if answer["description"] in KINDS:
                example["type"] = f"/docs/problems#{anchor(answer['description'])}"
            answer["content"] = {MEDIA: {**answer["content"]["application/json"], "example": example}}
        for content in answer.get("content", {}).values():
            if not content.keys() & {"example", "examples"}:
                content["example"] = sample(content.get("schema", {}), shapes)


def sample(schema: dict[str, Any], shapes: dict[str, Any]) -> Any:
    """A value of a schema, from the examples its fields name."""
    if "$ref" in schema:
        return sample(shapes[schema["$ref"].rsplit("/", 1)[1]], shapes)
    for named in ("examples", "enum"):
        if schema.get(named):
            return schema[named][0]
    if "const" in schema or "default" in schema:
        return schema.get("const", schema.get("default"))
    if either := schema.get("anyOf"):
        return sample(either[0], shapes)
    if "properties" in schema:
        return {name: sample(part, shapes) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [sample(schema["items"], shapes)]
    plain = {"integer": schema.get("minimum", 1), "number": 1, "boolean": True, "string": "text", "object": {}}
    return plain.get(schema.get("type", ""))
