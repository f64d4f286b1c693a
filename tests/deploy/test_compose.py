"""compose.yaml by the specification's own schema, and by what it promises: pinned, limited, on loopback, no secrets."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from composed import DOCUMENT, KINDS, ONCE, OURS, ROOT, SERVICES, mounts
from typer.testing import CliRunner

from cli.main import app
from cli.settings import rows
from connectors.outbound.commerce.addresses import Addresses
from local.chart_tools import find
from schemas.environment import read

SPECIFICATION = json.loads((ROOT / "tests/deploy/compose-spec/compose-spec.json").read_text())
EACH = pytest.mark.parametrize("name", SERVICES)


def test_it_is_a_compose_file() -> None:
    """The Compose specification's JSON schema takes it."""
    SPECIFICATION["$schema"] = "http://json-schema.org/draft-07/schema#"

    assert [
        f"{list(e.path)}: {e.message}" for e in jsonschema.Draft7Validator(SPECIFICATION).iter_errors(DOCUMENT)
    ] == []


def test_everything_of_a_site_is_in_it() -> None:
    assert set(SERVICES) >= {"redpanda", "console", "redis", "prometheus", "grafana", "erp", "shop", *KINDS}
    assert SERVICES["worker"]["deploy"]["replicas"] >= 2


@EACH
def test_images_are_pinned(name: str) -> None:
    """To a version: neither to nothing nor to `latest` or a major."""
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


@EACH
def test_a_service_has_limits(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]

    assert limits["memory"]
    assert float(limits["cpus"]) > 0


@EACH
def test_a_service_is_healthy_or_has_done_its_work(name: str) -> None:
    service = SERVICES[name]

    assert ("healthcheck" in service) is (name not in ONCE)
    assert service["restart"] == ("unless-stopped" if name not in ONCE else service["restart"])


@EACH
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_no_port_is_published_twice() -> None:
    published = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])]

    assert sorted(set(published)) == sorted(published)
    assert not SERVICES["worker"].get("ports"), "two workers cannot share a port"
    assert "container_name" not in SERVICES["worker"]


@EACH
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    """For health where there is one, for the end of what runs once."""
    for other, terms in SERVICES[name].get("depends_on", {}).items():
        if other in ONCE:
            assert terms["condition"] == "service_completed_successfully"
        else:
            assert terms["condition"] in ("service_healthy", "service_started")
            assert "healthcheck" in SERVICES[other]
    if name in KINDS and name not in ONCE:
        assert {"redpanda", "topics", "schemas"} <= SERVICES[name]["depends_on"].keys()


@EACH
def test_networks_and_volumes_are_declared_and_files_are_there(name: str) -> None:
    service = SERVICES[name]

    assert set(service.get("networks", [])) <= set(DOCUMENT["networks"])
    for source in mounts(service).values():
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
        else:
            assert source in DOCUMENT["volumes"]


@EACH
def test_a_service_can_reach_what_it_is_told_of(name: str) -> None:
    """Every service named in a variable shares a network with who is told of it."""
    service = SERVICES[name]
    for value in service.get("environment", {}).values():
        for host in re.findall(r"(?:^|//)([a-z-]+):\d+", str(value)):
            assert set(SERVICES[host]["networks"]) & set(service["networks"]), f"{name} → {host}"


@pytest.mark.parametrize("name", OURS)
def test_our_processes_are_confined(name: str) -> None:
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == ("10001:10001" if name not in ("secrets", "erp", "shop") else "0:0")


@pytest.mark.parametrize("name", KINDS)
def test_each_process_takes_its_environment(name: str) -> None:
    """Every variable is one that processes know, and the process's own reader takes them."""
    environment = OURS[name]["environment"]
    known = {variable for _, variable, _, _ in rows()}

    assert {variable for variable in environment if variable.startswith("STOCKSTREAM_")} <= known
    assert all(isinstance(value, str) for value in environment.values())
    assert read(KINDS[name], environment)


@pytest.mark.parametrize("name", KINDS)
def test_every_file_a_process_is_told_of_is_mounted(name: str) -> None:
    there = mounts(OURS[name])
    for variable, value in OURS[name]["environment"].items():
        if value.startswith("/") and not variable.endswith("DATA_DIR"):
            assert any(value == path or value.startswith(path + "/") for path in there), f"{variable}={value}"


@pytest.mark.parametrize("name", KINDS)
def test_every_command_is_one_of_the_command_line(name: str) -> None:
    assert CliRunner().invoke(app, [*OURS[name]["command"], "--help"]).exit_code == 0


def test_no_secret_stands_in_the_file() -> None:
    """They are made at the first start, in a volume; variables name files."""
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|KEYS", variable):
                assert str(value).startswith("/run/stockstream/secrets/"), variable
    assert "whsec_" not in (ROOT / "compose.yaml").read_text()


def test_the_subscription_leads_to_the_stand_in_shop() -> None:
    """And the connector's own rules let it through."""
    declared = yaml.safe_load((ROOT / "compose/subscriptions.yaml").read_text())["subscriptions"]["stand-in-shop"]
    given = OURS["connect-webhooks"]["environment"]
    rules = Addresses(given["STOCKSTREAM_COMMERCE_ALLOW"], allow_http=True)

    assert rules.parts(declared["url"])
    assert declared["secrets"][0]["file"].rpartition("/")[0] in mounts(OURS["connect-webhooks"])


def scraped() -> dict[str, Any]:
    return {
        job["job_name"]: job for job in yaml.safe_load((ROOT / "compose/prometheus.yml").read_text())["scrape_configs"]
    }


def test_prometheus_sees_every_process_that_has_metrics() -> None:
    """By name, so that more workers are seen as they come; over a network that both are in."""
    job = scraped()["stockstream"]["dns_sd_configs"][0]
    wanted = {name for name in KINDS if name not in ONCE}

    assert set(job["names"]) == wanted
    for name in wanted:
        assert "observation" in SERVICES[name]["networks"]
        ports = {
            value for key, value in SERVICES[name]["environment"].items() if re.search(r"(HTTP|HEALTH)_PORT$", key)
        }
        assert str(job["port"]) in ports


def test_prometheus_takes_its_configuration() -> None:
    """promtool, where `make chart` has built it."""
    promtool = find("promtool")
    if promtool is None:
        pytest.skip("no promtool; `make chart` builds it into the cache folder")
    command = [str(promtool), "check", "config", "--syntax-only", str(ROOT / "compose/prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long  # promtool looks for half a minute
def test_each_service_is_a_job_of_its_own(tmp_path: Path) -> None:
    """As promtool relabels what DNS finds: one that is ready does not speak for another that never comes up."""
    promtool = find("promtool")
    if promtool is None:
        pytest.skip("no promtool; `make chart` builds it into the cache folder")
    job = scraped()["stockstream"]
    names = job.pop("dns_sd_configs")[0]["names"]
    found = [{"targets": [f"{name}:8081"], "labels": {"__meta_dns_name": name}} for name in names]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump({"scrape_configs": [job | {"static_configs": found}]}))
    command = [str(promtool), "check", "service-discovery", str(path), "stockstream"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    targets = [target["labels"] for target in json.loads(done.stdout)]
    assert {target["instance"]: target["job"] for target in targets} == {f"{name}:8081": name for name in names}
    assert {(target["site"], target["product"]) for target in targets} == {("stockstream", "stockstream")}


def test_grafana_gets_the_dashboards_and_the_data() -> None:
    source = yaml.safe_load((ROOT / "compose/grafana/datasources/prometheus.yaml").read_text())["datasources"][0]
    boards = yaml.safe_load((ROOT / "compose/grafana/dashboards/stockstream.yaml").read_text())["providers"][0]
    there = mounts(SERVICES["grafana"])

    assert source["url"] == "http://prometheus:9090"
    assert there[boards["options"]["path"]] == "./helm/stockstream/files/dashboards"
    assert mounts(SERVICES["prometheus"])["/etc/prometheus/rules"] == "./helm/stockstream/files/rules"


def test_redpanda_is_told_what_it_understands() -> None:
    """One flag a part; no topic is made by accident, and topics are sized as our processes say."""
    command = SERVICES["redpanda"]["command"]

    assert all(part.startswith("--") for part in command[2:])
    assert not any("dev-container" in part for part in command), (
        "it would create topics by itself and acknowledge early"
    )
    assert {each["environment"]["STOCKSTREAM_PARTITIONS"] for name, each in OURS.items() if name in KINDS} == {"4"}
