"""Rules as promtool sees them: they parse, and each alert fires on what it is about and on nothing else."""

from pathlib import Path

import pytest
import yaml

from monitoring.rules import Alert, Group, dump
from monitoring.written import FILES, RULES, alerts, expressions
from tests.monitoring.alert_cases import CASES, Case
from tests.monitoring.promtool import promtool

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = sorted((ROOT / FILES / "rules").glob("*.yaml"))


def concerning(alert: str, *, often: bool) -> list[Group]:
    """The alert and what it reads, of all rules: promtool evaluates every rule at every step.

    Days are too long for a group's own interval.
    """
    mine = [rule for rule in alerts() if rule.name == alert]
    groups = []
    for group in (group for groups in RULES.values() for group in groups):
        rules = tuple(
            rule
            for rule in group.rules
            if rule in mine
            or (not isinstance(rule, Alert) and (not rule.labels or rule.labels["slo"] == mine[0].labels.get("slo")))
        )
        groups += [Group(group.name, rules, group.interval if often else "")] if rules else []
    return groups


def test_promtool_takes_the_rule_files() -> None:
    """Syntax, names and templates, with all its lints."""
    done = promtool("check", "rules", "--lint", "all", "--lint-fatal", *WRITTEN)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_expressions_of_dashboards(tmp_path: Path) -> None:
    """Each as a recording rule, with Grafana's own intervals in place."""
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m"), "labels": {"where": where}}
        for number, (where, expression) in enumerate(expressions())
    ]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    done = promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    """None is left to be found wrong in the night."""
    names = {alert.name for alert in alerts()}

    assert {case.alert for case in CASES if case.severities} == names
    assert {case.alert for case in CASES if not case.severities} == names
    for alert in alerts():
        assert any(alert.severity in case.severities for case in CASES if case.alert == alert.name), alert.name


def test_counters_of_cases_begin_as_those_of_a_process_do() -> None:
    """A series of a labelled counter comes into being with its first count: no 0 is seen before it."""
    for case in CASES:
        long_there = case.series.get("process_start_time_seconds", "0").startswith("-") or '"old"' in str(case.series)
        assert long_there or all(values.startswith("_") for values in case.counters.values()), case


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.what}")
def test_an_alert_fires_when_it_should(case: Case, tmp_path: Path) -> None:
    """And only then."""
    series = [{"series": name, "values": values} for name, values in case.whole.items()]
    firing = f'ALERTS{{alertname="{case.alert}", alertstate="firing"}}'
    asked = f"count by (severity) ({f'max_over_time({firing}[{case.minutes}m])' if case.ever else firing}) > bool 0"
    fires = [{"labels": f'{{severity="{severity}"}}', "value": 1} for severity in case.severities]
    test = {
        "interval": case.step,
        "input_series": series,
        "promql_expr_test": [{"expr": asked, "eval_time": f"{case.minutes}m", "exp_samples": fires}],
    }
    rules = tmp_path / "rules.yaml"
    groups = concerning(case.alert, often=case.step == "1m")
    rules.write_text(dump(groups))
    document = {
        "rule_files": [str(rules)],
        "group_eval_order": [group.name for group in groups],
        "evaluation_interval": "1m" if case.step == "1m" else "5m",
        "tests": [test],
    }
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(document))

    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_prometheus_of_compose() -> None:
    """Which loads these rules from where compose mounts them."""
    path = ROOT / "compose" / "prometheus.yml"
    done = promtool("check", "config", "--syntax-only", path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load(path.read_text())["rule_files"] == ["/etc/prometheus/rules/*.yaml"]
    assert f"./{FILES}/rules:/etc/prometheus/rules:ro,z" in (ROOT / "compose.yaml").read_text()
