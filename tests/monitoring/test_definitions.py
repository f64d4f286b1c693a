"""The generated files are those of the definition, and the definition speaks only of what exists."""

import json
import re
from pathlib import Path

import pytest
import yaml

from monitoring.known import faults
from monitoring.objectives import OBJECTIVES
from monitoring.promql import Unreadable, by_label, read, where
from monitoring.written import DASHBOARDS, FILES, RULES, alerts, expressions, files, recorded
from schemas.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", files())
def test_a_generated_file_is_the_definition_s(name: str) -> None:
    """`make monitoring` was run after the last change."""
    assert files()[name] == (ROOT / name).read_text(), f"{name} is old: run `make monitoring`"


def test_there_is_no_generated_file_beside_them() -> None:
    """What the definition no longer has is gone from the chart as well."""
    found = {
        str(path.relative_to(ROOT)) for kind in ("rules", "dashboards") for path in (ROOT / FILES / kind).iterdir()
    }
    assert found == {name for name in files() if name.startswith(FILES)}


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_an_expression_reads_metrics_that_exist_by_labels_they_have(where: str, expression: str) -> None:
    """Every alert, recording rule and panel."""
    assert not faults(expression, recorded()), where


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("stockstream_no_such_thing", "no metric stockstream_no_such_thing"),
        ('stockstream_outputs_total{sku="A"}', "stockstream_outputs_total has no label sku"),
        ("sum by (sku) (stockstream_outputs_total)", "grouped by sku, which nothing in it has"),
        ("rate(stockstream_chunk_seconds[5m])", "no metric stockstream_chunk_seconds"),
        ("sum(stockstream_chunk_seconds_count) by (le)", "grouped by le, which nothing in it has"),
        ("vector(1)", "it reads no metric"),
    ],
)
def test_an_expression_that_speaks_of_something_else_is_found(expression: str, said: str) -> None:
    """The check above would notice."""
    assert said in faults(expression, {})


def test_names_are_told_from_functions_labels_words_and_text() -> None:
    """In an expression that has all of them."""
    reading = read(
        "topk(3, sum by (a, b) (rate(x_total{c=\"up{}\", d!~'y'}[5m] offset 1h))) / on (a) group_left (e) y:z:rate5m "
        "> bool 1e3 and -inf < z unless on () q"
    )

    assert reading.selectors == [("x_total", ("c", "d")), ("y:z:rate5m", ()), ("z", ()), ("q", ())]
    assert reading.grouped == ["a", "b", "a", "e"]


@pytest.mark.parametrize(
    ("expression", "by_site", "at_site"),
    [
        ("x_total > 1", "x_total > 1", 'x_total{site="s"} > 1'),
        ("sum (x{})", "sum by (site) (x{})", 'sum (x{site="s"})'),
        ("sum by (a) (x)", "sum by (site, a) (x)", 'sum by (a) (x{site="s"})'),
        (
            'max(rate(x_total{ b="by (c)" }[5m])) and on () (y or on(a) z)',
            'max by (site)(rate(x_total{ b="by (c)" }[5m])) and on (site) (y or on(site, a) z)',
            'max(rate(x_total{site="s",  b="by (c)" }[5m])) and on () (y{site="s"} or on(a) z{site="s"})',
        ),
    ],
)
def test_an_expression_is_asked_of_each_site_apart_and_of_one(expression: str, by_site: str, at_site: str) -> None:
    """Whatever it groups by or matches on already."""
    assert by_label(expression, "site") == by_site
    assert where(expression, 'site="s"') == at_site


def test_nothing_is_summed_or_matched_across_sites() -> None:
    """Every rule keeps the label; every panel and every choice on a board asks for the chosen site."""
    for rule in (rule for groups in RULES.values() for group in groups for rule in group.rules):
        reading = read(rule.written)
        assert not reading.bare, rule.name
        assert all(rule.written[at:].startswith("site") for at in reading.lists), rule.name
    for board in DASHBOARDS:
        for query in (query for panel in board.panels() for query in panel.queries):
            assert all("site" in labels for _, labels in read(query.written).selectors), query.written
        assert all('{site="$site"' in choice.dump()["definition"] for choice in board.choices)


@pytest.mark.parametrize("text", ["sum(x", "x)", "x{a=", "a § b"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    """Rather than read in part."""
    with pytest.raises(Unreadable):
        read(text)


def test_every_metric_of_ours_is_on_a_dashboard_or_in_an_alert() -> None:
    """A metric nobody looks at is named here, with the reason."""
    left_out = {"stockstream_api_idempotency_away_total", "stockstream_webhook_changes_total"}  # for a closer look
    left_out |= {"stockstream_webhook_delivery_seconds", "stockstream_exceptions_resolved_total"}
    left_out |= {"stockstream_erp_exceptions_total", "stockstream_shop_unverified", "stockstream_view_partitions"}
    used = {name for _, expression in expressions() for name in read(expression).names}
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}

    assert {metric.name for metric in METRICS} - used == left_out


def test_every_alert_has_a_runbook_that_says_what_to_do_and_there_is_no_other() -> None:
    """runbook_url leads to a file of the repository, with the four parts a tired reader needs."""
    names = {alert.name for alert in alerts()}
    page = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    for alert in alerts():
        text = (ROOT / alert.runbook).read_text()
        assert text.startswith(f"# {alert.name}\n")
        assert all(f"\n## {part}\n" in text for part in ("Impact", "Look at", "Do"))
        assert f"[{alert.name}]({alert.name}.md)" in page
    assert {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} == names | {"README"}


def test_links_between_runbooks_lead_somewhere() -> None:
    """Every Markdown link of a runbook is a file beside it."""
    for path in (ROOT / "docs" / "runbooks").glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).is_file(), f"{path.name}: {target}"


def test_a_burn_rate_can_be_reached() -> None:
    """A factor times the budget of more than one would never fire."""
    for objective in OBJECTIVES:
        assert all(burn.factor * objective.budget < 1 for burn in objective.burns), objective.name


def test_rule_files_are_what_the_chart_and_prometheus_take() -> None:
    """`groups` at the top: the spec of a PrometheusRule and a rule file alike; names of groups differ."""
    documents = [yaml.safe_load(text) for name, text in files().items() if name.endswith(".yaml")]
    names = [group["name"] for document in documents for group in document["groups"]]

    assert all(document.keys() == {"groups"} for document in documents)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_a_dashboard_is_complete(board) -> None:
    """Panels with description and unit that do not overlap, on the data source of the variable alone."""
    dumped = json.loads(files()[f"{FILES}/dashboards/{board.uid}.json"])
    panels = [panel for panel in dumped["panels"] if panel["type"] != "row"]
    taken: set[tuple[int, int]] = set()

    assert dumped["schemaVersion"] >= 39
    assert dumped["templating"]["list"][0]["type"] == "datasource"
    assert len({panel["id"] for panel in dumped["panels"]}) == len(dumped["panels"])
    assert len({panel["title"] + str(panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
