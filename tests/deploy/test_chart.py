"""The chart as a whole: it lints, Kubernetes' own schemas take what it renders, and its objects meet each other."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from rendered_chart import (
    CHART,
    NAMESPACE,
    RELEASE,
    VALUES,
    Object,
    containers,
    every_values_file,
    helm,
    needs_helm,
    objects,
    of_kind,
    pods,
    selects,
    text,
    tool,
)

pytestmark = needs_helm
VERSIONS = ("1.30", "1.34")
"""The oldest Kubernetes that Chart.yaml allows, and a current one."""
OPERATORS = {
    "ScaledObject": "keda.sh/v1alpha1",
    "TriggerAuthentication": "keda.sh/v1alpha1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}
"""Kinds of operators and of the Gateway API, of which Kubernetes has no schema."""
JUDGED_OTHERWISE = {
    "Deployment does not have a host podAntiAffinity set",  # topologySpreadConstraints over hosts say the same
    "Deployment few replicas",  # where KEDA or the autoscaler sets the number, with a minimum of 2
}


@every_values_file
def test_helm_lint_finds_nothing_to_fail(values: str) -> None:
    told = helm("lint", str(CHART), "--strict", "--quiet", "--values", str(VALUES[values]))

    assert "[ERROR]" not in told
    assert "[WARNING]" not in told


@pytest.mark.parametrize("version", VERSIONS)
@every_values_file
def test_kubernetes_own_schemas_take_every_object(values: str, version: str) -> None:
    """Strict: a field that Kubernetes does not know is an error."""
    for each in objects(values):
        if each["kind"] in OPERATORS:
            assert each["apiVersion"] == OPERATORS[each["kind"]]
        else:
            kubernetes_validate.validate(each, version, strict=True)


@every_values_file
def test_rendering_is_the_same_every_time(values: str) -> None:
    """A tool that compares (GitOps) must not see changes where nobody made one."""
    first = text(values)

    for _ in range(3):
        assert helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", str(VALUES[values])) == first


@every_values_file
def test_no_two_objects_have_one_name(values: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in objects(values)]

    assert sorted(set(names)) == sorted(names)
    assert all(each["metadata"]["namespace"] == NAMESPACE for each in objects(values))


@every_values_file
def test_kube_score_finds_nothing_to_criticise(values: str) -> None:
    """But for CPU limits, which would show as latency, and what `JUDGED_OTHERWISE` answers."""
    command = [tool("kube-score"), "score", "--ignore-container-cpu-limit", "--output-format", "ci", "-"]
    done = subprocess.run(command, input=text(values), capture_output=True, text=True, timeout=120, check=False)
    findings = [line for line in done.stdout.splitlines() if line.startswith(("[CRITICAL]", "[WARNING]"))]

    assert "[OK]" in done.stdout
    assert [line for line in findings if not any(line.endswith(words) for words in JUDGED_OTHERWISE)] == []


def test_the_charts_own_unit_tests_pass() -> None:
    """helm-unittest: suites in helm/stockstream/tests."""
    done = subprocess.run(
        [tool("helm-unittest"), "--strict", str(CHART)], capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stdout


def test_the_readme_is_what_helm_docs_makes() -> None:
    """`make chart-docs` writes it anew."""
    command = [tool("helm-docs"), "--chart-search-root", str(CHART), "--sort-values-order", "file", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == (CHART / "README.md").read_text().strip()


# ---- objects meet each other ------------------------------------------------------------------------------------


def labels_of(values: str) -> dict[str, dict[str, str]]:
    """Labels of pods by component."""
    found = {}
    for owner, pod in pods(values):
        found[owner["metadata"]["labels"]["app.kubernetes.io/component"]] = pod["metadata"]["labels"]
    return found


def chosen(values: str, selector: dict[str, str]) -> set[str]:
    """Components whose pods a selector selects."""
    return {component for component, labels in labels_of(values).items() if selects(selector, labels)}


def component(of: Object) -> str:
    return str(of["metadata"]["labels"]["app.kubernetes.io/component"])


@every_values_file
def test_each_object_selects_the_pods_of_its_component(values: str) -> None:
    """Services, disruption budgets, network policies and Deployments each see their own pods and no others."""
    everyone = set(labels_of(values))
    for each in objects(values):
        spec: dict[str, Any] = each.get("spec", {})
        if each["kind"] == "Service":
            assert chosen(values, spec["selector"]) == {component(each)}
        if each["kind"] in ("PodDisruptionBudget", "Deployment"):
            assert chosen(values, spec["selector"]["matchLabels"]) == {component(each)}
        if each["kind"] == "NetworkPolicy":
            wanted = everyone if component(each) == "all" else {component(each)}
            assert chosen(values, spec["podSelector"]["matchLabels"]) == wanted


@every_values_file
def test_each_component_is_covered(values: str) -> None:
    """A disruption budget, a health service, a policy of its own, and pods spread over hosts.

    The pod for people at the command has its policy and nothing else: it serves nobody.
    """
    idle = {"setup", "operations"} & set(labels_of(values))
    running = set(labels_of(values)) - idle

    assert {component(each) for each in of_kind(values, "PodDisruptionBudget").values()} == running
    assert {component(each) for each in of_kind(values, "NetworkPolicy").values()} == running | idle | {"all"}
    health = {
        each["spec"]["clusterIP"]: component(each)
        for each in of_kind(values, "Service").values()
        if "clusterIP" in each["spec"]
    }
    assert set(health) == {"None"}
    for owner, pod in pods(values):
        if component(owner) in running:
            for constraint in pod["spec"]["topologySpreadConstraints"]:
                assert chosen(values, constraint["labelSelector"]["matchLabels"]) == {component(owner)}


@every_values_file
def test_by_default_nothing_is_let_in_or_out(values: str) -> None:
    """One policy selects every pod of the release and allows nothing."""
    deny = next(each for name, each in of_kind(values, "NetworkPolicy").items() if name.endswith("-default-deny"))

    assert deny["spec"].keys() == {"podSelector", "policyTypes"}
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]


def ports(rules: list[Object]) -> set[int]:
    return {port["port"] for rule in rules for port in rule.get("ports", [])}


@every_values_file
def test_every_address_a_pod_is_given_is_open_to_it(values: str) -> None:
    """Brokers, registry, Redis, ERP, shop: the port in each variable is among the policy's openings."""
    policies = {component(each): each["spec"] for each in of_kind(values, "NetworkPolicy").values()}
    defaults = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}
    for each in containers(values):
        environment = each.environment
        needed = {int(broker.rpartition(":")[2]) for broker in environment["STOCKSTREAM_BOOTSTRAP"].split(",")}
        for value in environment.values():
            if "://" in value:
                scheme, _, rest = value.partition("://")
                host, _, port = rest.partition("/")[0].partition(":")
                assert host
                needed.add(int(port) if port else defaults[scheme])
        needed -= {443} if each.component == "api" and "JWT" not in str(environment) else set()

        assert needed <= ports(policies[each.component]["egress"]), each.component
        assert 53 in ports(policies[each.component]["egress"])


ROUTING = """systems:
  erp: {url: "https://erp.example.com/odata"}
  own: {url: "http://erp.shop:8000"}
  files: {adapter: csv, directory: /o, acknowledgements: /a, sftp: {host: files, user: u, known_hosts: /k}}
  moved: {adapter: csv, directory: /o, acknowledgements: /a, sftp: {host: files, port: 2222, user: u, known_hosts: /k}}
  here: {adapter: csv, directory: /o, acknowledgements: /a}
default: erp
"""
"""Of each kind one: its ports are 443, 8000, 22, 2222, none."""


def erp_ports(*sets: str) -> set[int]:
    """Ports that the ERP connector may speak to beside DNS, broker and registry."""
    policies = of_kind("minimal", "NetworkPolicy", "erp.enabled=true", *sets)
    rules = next(each for each in policies.values() if component(each) == "erp")["spec"]["egress"]
    return ports(rules) - {53, 9092, 8081}


@pytest.mark.parametrize("document", [ROUTING, yaml.safe_load(ROUTING)], ids=["text", "mapping"])
def test_every_system_of_the_routing_can_be_reached(document: Any) -> None:
    """By the port of its URL or of its SFTP server, and no other; `erp.url` is not used beside a routing."""
    routing = f"erp.routing.document={json.dumps(document)}"

    assert erp_ports(routing) == {443, 8000, 22, 2222}
    assert erp_ports(routing, 'erp.url="https://erp:9999"', "networkPolicy.erp.extraPorts=[8443]") == {
        443, 8000, 22, 2222, 8443,
    }  # fmt: skip


def test_a_routing_that_helm_cannot_read_needs_its_ports_named() -> None:
    """Unless a rule of the site's own leads out, or nothing is denied."""
    routing = 'erp.routing.existingConfigMap="routing"'

    assert erp_ports(routing, "networkPolicy.erp.extraPorts=[443,22]") == {443, 22}
    assert erp_ports(routing, 'networkPolicy.extraEgress=[{"ports":[{"port":8443,"protocol":"TCP"}]}]') == {8443}
    assert not of_kind("minimal", "NetworkPolicy", "erp.enabled=true", routing, "networkPolicy.enabled=false")


@every_values_file
def test_only_the_api_is_spoken_to_and_metrics_by_monitoring(values: str) -> None:
    for each in of_kind(values, "NetworkPolicy").values():
        rules = each["spec"].get("ingress", [])
        if component(each) in ("all", "setup", "operations"):
            assert rules == []
            continue
        health = next(rule for rule in rules if rule["from"])
        assert len(rules) == (2 if component(each) == "api" else 1)
        assert health["from"]


def test_webhooks_cannot_reach_private_addresses() -> None:
    """A subscriber's URL must not lead into the cluster."""
    policy = next(e for e in of_kind("everything", "NetworkPolicy").values() if component(e) == "webhooks")
    out = next(rule for rule in policy["spec"]["egress"] if rule.get("ports") == [{"port": 443, "protocol": "TCP"}])
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"]["except"] for peer in out["to"]}

    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(blocks["0.0.0.0/0"])
    assert "fc00::/7" in blocks["::/0"]


def test_a_gateway_leads_to_the_api() -> None:
    """Every path of its hosts, to the port of the API's service."""
    route = next(iter(of_kind("everything", "HTTPRoute").values()))["spec"]
    service = of_kind("everything", "Service")[route["rules"][0]["backendRefs"][0]["name"]]

    assert component(service) == "api"
    assert [{"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}] == (
        route["rules"][0]["backendRefs"]
    )
    assert route["parentRefs"]
    assert route["hostnames"] == ["stock.example.com"]


# ---- scaling ----------------------------------------------------------------------------------------------------


@every_values_file
def test_whoever_is_scaled_has_no_number_of_its_own(values: str) -> None:
    """An upgrade would otherwise set the autoscaler's number back."""
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(values, "HorizontalPodAutoscaler").values()}
    scaled |= {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(values, "ScaledObject").values()}

    for name, each in of_kind(values, "Deployment").items():
        assert ("replicas" in each["spec"]) is (name not in scaled)
        assert each["spec"].get("replicas", 2) >= (1 if component(each) == "operations" else 2)
    assert scaled <= set(of_kind(values, "Deployment"))


def test_all_workers_can_be_stopped_before_new_ones_start() -> None:
    """A release that changes the topology asks for it, by flags beside the site's values."""
    flags = ["--set", "worker.strategy.type=Recreate", "--set", "worker.strategy.rollingUpdate=null"]
    told = helm("template", RELEASE, str(CHART), "--values", str(VALUES["production"]), *flags)
    deployments = [each for each in yaml.safe_load_all(told) if each and each["kind"] == "Deployment"]

    assert {component(each): each["spec"]["strategy"] for each in deployments}["worker"] == {"type": "Recreate"}
    for each in deployments:
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)


@pytest.mark.parametrize(("values", "most"), [("keda", 12), ("everything", 16)])
def test_keda_keeps_workers_between_two_and_the_partitions(values: str, most: int) -> None:
    """No scale to zero, a window before scaling down, a number to fall back to, even shares."""
    spec = next(iter(of_kind(values, "ScaledObject").values()))["spec"]
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]

    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, most)
    assert "idleReplicaCount" not in spec
    assert down["stabilizationWindowSeconds"] >= 300
    assert spec["fallback"]["replicas"] >= 2
    for trigger in spec["triggers"]:
        assert trigger["metadata"]["ensureEvenDistributionOfPartitions"] == "true"
        assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_keda_gets_in_as_the_workers_do() -> None:
    """Its credentials come from the same Secrets, and the names it reads from the pod are in the pod."""
    access = next(iter(of_kind("keda", "TriggerAuthentication").values()))["spec"]
    worker = next(each for each in containers("keda") if each.component == "worker")
    trigger = next(iter(of_kind("keda", "ScaledObject").values()))["spec"]["triggers"][0]["metadata"]

    assert (trigger["tls"], trigger["sasl"]) == ("enable", "scram_sha256")
    assert trigger["consumerGroup"] == worker.environment["STOCKSTREAM_APP"]
    assert all(each["name"] in worker.environment for each in access["env"])
    assert all(each["containerName"] == worker.container["name"] for each in access["env"])
    assert {each["parameter"]: (each["name"], each["key"]) for each in access["secretTargetRef"]} == {
        "password": ("stockstream-kafka", "password"),
        "ca": ("redpanda-ca", "ca.crt"),
    }


@every_values_file
def test_new_workers_come_before_old_ones_go(values: str) -> None:
    """So a rollout never has fewer workers than it should."""
    for each in of_kind(values, "Deployment").values():
        if component(each) == "operations":
            continue
        rolling = each["spec"]["strategy"]["rollingUpdate"]

        assert rolling["maxUnavailable"] == 0
        assert rolling["maxSurge"] == ("100%" if component(each) == "worker" else 1)


# ---- the job before an installation -----------------------------------------------------------------------------


@every_values_file
def test_the_job_ends_before_helm_stops_waiting(values: str) -> None:
    """Helm waits 5 minutes for a hook where nobody says otherwise; what the job says then comes to light."""
    assert next(iter(of_kind(values, "Job").values()))["spec"]["activeDeadlineSeconds"] < 300


@every_values_file
def test_what_the_setup_job_needs_is_there_before_it(values: str) -> None:
    """Its account, channels and network policy are hooks of a lower weight: nothing else of a release exists yet."""
    job = next(iter(of_kind(values, "Job").values()))
    hooks = {}
    for each in objects(values):
        notes = each["metadata"].get("annotations", {})
        if "helm.sh/hook" in notes:
            assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
            assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
            hooks[each["kind"], each["metadata"]["name"]] = int(notes["helm.sh/hook-weight"])
    spec = job["spec"]["template"]["spec"]
    needed = {("ServiceAccount", spec["serviceAccountName"]), ("NetworkPolicy", job["metadata"]["name"])}
    if values != "mtls":
        needed |= {("ConfigMap", v["configMap"]["name"]) for v in spec["volumes"] if "configMap" in v}

    assert needed <= hooks.keys()
    assert all(hooks[each] < hooks["Job", job["metadata"]["name"]] for each in needed)
    assert [c["args"] for c in [*spec["initContainers"], *spec["containers"]]] == [
        ["schemas", "register"],
        ["topics", "apply"],
    ]


# ---- observability ----------------------------------------------------------------------------------------------


def test_the_service_monitor_finds_every_health_service_and_no_other() -> None:
    monitor = next(iter(of_kind("everything", "ServiceMonitor").values()))["spec"]
    services = of_kind("everything", "Service")
    found = {n for n, s in services.items() if selects(monitor["selector"]["matchLabels"], s["metadata"]["labels"])}

    assert found == {name for name in services if name.endswith("-health")}
    assert len(found) == 6
    for name in found:
        assert monitor["endpoints"][0]["port"] in {port["name"] for port in services[name]["spec"]["ports"]}


@pytest.mark.parametrize(
    ("sets", "site"), [((), f"{NAMESPACE}/site-one"), (('monitoring.serviceMonitor.site="berlin"',), "berlin")]
)
def test_every_series_says_of_which_site_it_is_and_that_it_is_ours(sets: tuple[str, ...], site: str) -> None:
    """Before whatever else is relabelled; `up` of a process that never answered as well."""
    monitor = next(iter(of_kind("everything", "ServiceMonitor", *sets).values()))["spec"]

    assert monitor["endpoints"][0]["relabelings"][:2] == [
        {"targetLabel": "site", "replacement": site},
        {"targetLabel": "product", "replacement": "stockstream"},
    ]


RULES = """groups:
  - name: example
    rules:
      - alert: Example
        expr: up == 0
        annotations:
          summary: "{{ $labels.instance }} is down for {{ $value }}"
"""


def test_alerts_and_dashboards_of_the_package_are_shipped_word_for_word(tmp_path: Path) -> None:
    """Prometheus' and Grafana's own braces are none of Helm's business."""
    chart = tmp_path / "stockstream"
    shutil.copytree(CHART, chart)
    (chart / "files/rules/stock_alerts.yaml").write_text(RULES)
    board = '{"title": "Operations", "legend": "{{partition}}"}\n'
    (chart / "files/dashboards/operations.json").write_text(board)

    rendered = {each["metadata"]["name"]: each for each in objects("everything", chart=chart)}

    rule = rendered["demo-stock-stock-alerts"]["spec"]["groups"][0]["rules"][0]
    assert rule["annotations"]["summary"] == "{{ $labels.instance }} is down for {{ $value }}"
    dashboard = rendered["demo-stock-dashboard-operations"]
    assert dashboard["data"]["operations.json"] == board
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"]["grafana_folder"] == "Stockstream"


def test_runbooks_are_where_the_site_says() -> None:
    """Whoever is woken follows a link, and only the place of it changes."""
    asked = 'monitoring.prometheusRule={"enabled":true,"runbookUrl":"https://docs.example.com/x/{alert}/?a=1"}'
    plain, placed = (
        [rule for each in of_kind("everything", "PrometheusRule", *sets).values() for group in each["spec"]["groups"] for rule in group["rules"]]
        for sets in (['monitoring.prometheusRule.runbookUrl=""'], [asked])
    )  # fmt: skip

    for before, after in zip(plain, placed, strict=True):
        if "alert" in before:
            assert before["annotations"].pop("runbook_url") == f"docs/runbooks/{before['alert']}.md"
            assert after["annotations"].pop("runbook_url") == f"https://docs.example.com/x/{after['alert']}/?a=1"
        assert before == after


def test_nothing_of_an_operator_is_made_unless_asked_for() -> None:
    """A cluster without KEDA or Prometheus' operator takes the chart as it is."""
    assert {each["kind"] for each in objects("minimal")}.isdisjoint(OPERATORS)
