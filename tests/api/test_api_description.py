"""The API's description: whole, true, and readable without a network."""

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from connectors.api.docs_pages import PAGE
from connectors.api.problems import KINDS, anchor
from tests.api.api_site import Api, Site

pytestmark = pytest.mark.stack
READING = {
    "/v1/availability/{sku}",
    "/v1/availability:query",
    "/v1/channels/{channel}/availability",
    "/v1/channels/{channel}/availability/{sku}",
    "/v1/channels/{channel}/stream",
    "/v1/channels/{channel}/snapshot",
    "/v1/feeds",
    "/v1/exceptions",
    "/v1/exceptions/{exception_id}",
}


@pytest.fixture(scope="module")
def document(api: Api) -> Any:
    with api.client() as client:
        return client.get("/openapi.json").raise_for_status().json()


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_says_what_it_does_what_it_needs_and_how_it_refuses(document: Any) -> None:
    """Summary, description, scope, both ways to authenticate, and problems in their own media type with an example."""
    assert set(document["paths"]) >= READING
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["x-scope"] in operation["description"], where
        assert [{"bearer": []}, {"key": []}] == operation["security"], where
        assert {"401", "403", "429", "503"} <= set(operation["responses"]), where
        for status, answer in operation["responses"].items():
            if status[0] in "45":
                assert answer["content"]["application/problem+json"]["example"]["type"], (where, status)


def test_every_answer_has_an_example(document: Any) -> None:
    """Of the reading operations: a body that a program could be written against."""
    for path, method, operation in operations(document):
        if path in READING:
            content = operation["responses"]["200"]["content"]
            assert all(kind.get("example") for kind in content.values()), f"{method} {path}"


def test_the_docs_need_nothing_from_elsewhere(api: Api) -> None:
    """Every file the page names is served from here, and its policy lets no other in."""
    with api.client() as client:
        page = client.get("/docs").raise_for_status()
        files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        local = [file for file in files if not file.startswith("data:")]
        served = [client.get(file) for file in local]

    assert len(local) >= 3
    assert not [file for file in local if not file.startswith("/docs/static/")]
    assert {200} == {answer.status_code for answer in served}
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in PAGE


def test_each_problems_type_leads_to_its_explanation(api: Api) -> None:
    """The page has the anchor."""
    with api.client() as client:
        page = client.get("/docs/problems").raise_for_status().text
        found = client.get("/v1/feeds").json()["type"]

    assert all(f'id="{anchor(title)}"' in page for title in KINDS)
    assert "/docs/problems#not-authenticated" == found


def test_no_file_of_the_disk_is_served_by_its_path(api: Api) -> None:
    """Only the page's own."""
    with api.client() as client:
        for name in ("..%2f..%2fsettings.py", "settings.py", "%2e%2e/app.py", "....//app.py"):
            assert 404 == client.get(f"/docs/static/{name}").status_code


def test_no_input_makes_it_fail_and_every_answer_is_as_described(api: Api, site: Site, document: Any) -> None:
    """Schemathesis: made-up and broken input for every reading operation; never a 5xx that is not described, always the
    described status, media type and shape. The endless stream is left to its own tests."""
    described = schemathesis.openapi.from_dict(document)
    described.config.update(base_url=api.url)
    headers = {"Authorization": f"Bearer {site.reader}"}
    tried = 0
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path not in READING or operation.path.endswith("/stream"):
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=40,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def attempt(case: Any) -> None:
            checks = [
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ]
            case.call_and_validate(headers=headers, checks=checks, timeout=15)

        attempt()
        tried += 1

    assert len(READING) - 1 == tried
