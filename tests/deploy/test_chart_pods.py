"""What the chart's pods are given: variables the processes know, files that are there, and nothing they may not have."""

from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from rendered_chart import Container, containers, every_values_file, needs_helm, objects, of_kind, pods
from typer.testing import CliRunner

from cli.main import app
from cli.settings import rows
from connectors.api.settings import ApiSettings
from connectors.api.settings import checked as checked_api
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.erp.routing_file import parse as parse_routing
from connectors.outbound.erp.settings import Settings as ErpSettings
from connectors.outbound.redis_view.settings import Settings as ViewSettings
from schemas.access import checked
from schemas.acls import PROCESSES, SETUP
from schemas.environment import read
from streams.settings import Settings
from tables.channels import parse as parse_channels

pytestmark = needs_helm
KINDS: dict[str, Any] = {
    "worker": Settings,
    "setup": Settings,
    "operations": Settings,
    "api": ApiSettings,
    "redis-view": ViewSettings,
    "erp": ErpSettings,
    "webhooks": Commerce,
    "shop": Commerce,
}
"""Whose settings a component's process reads."""
FILES = ("_FILE", "STOCKSTREAM_CHANNELS", "STOCKSTREAM_ERP_ROUTING", "STOCKSTREAM_COMMERCE_SUBSCRIPTIONS")


@every_values_file
def test_every_variable_is_one_that_the_processes_know(values: str) -> None:
    """A variable that no process reads would be a setting that does nothing."""
    known = {variable for _, variable, _, _ in rows()}

    for each in containers(values):
        ours = {name for name in each.environment if name.startswith("STOCKSTREAM_")}
        assert ours <= known, each.component


@every_values_file
def test_each_process_takes_its_environment(values: str) -> None:
    """The process's own reader accepts the variables, and its own check the way into the broker."""
    for each in containers(values):
        settings = read(KINDS[each.component], each.environment)

        assert checked(settings) is settings
        if each.component == "api":
            assert checked_api(settings) is settings


@every_values_file
def test_no_variable_is_given_twice(values: str) -> None:
    """Kubernetes takes the last of two; nobody would notice."""
    for each in containers(values):
        names = [variable["name"] for variable in each.container["env"]]

        assert sorted(set(names)) == sorted(names), each.component


@every_values_file
def test_every_named_file_is_in_the_pod(values: str) -> None:
    """Each path that a variable names is a key that is mounted there."""
    for each in containers(values):
        there = each.sources()
        for name, path in each.environment.items():
            if path and (name.endswith(FILES[0]) or name in FILES[1:]):
                assert path in there, f"{each.component}: {name}={path}"


@every_values_file
def test_every_declared_config_map_exists_in_the_release_or_was_named(values: str) -> None:
    """A pod waits for ever for a ConfigMap that nobody makes."""
    made = of_kind(values, "ConfigMap")
    named = {"channels"} if values == "mtls" else set()

    for each in containers(values):
        for place, key in each.sources().values():
            kind, _, name = place.partition("/")
            if kind == "configMap" and name not in named:
                assert key in made[name]["data"], name


@every_values_file
def test_every_command_is_one_of_the_command_line(values: str) -> None:
    """`stockstream ARGS --help` knows what the pod runs."""
    runner = CliRunner()

    for each in containers(values):
        program, *arguments = each.command
        if each.component == "operations":
            assert each.command == ["sleep", "infinity"]
            continue
        assert program == "stockstream"
        assert runner.invoke(app, [*arguments, "--help"]).exit_code == 0, arguments


@every_values_file
def test_declarations_arrive_as_the_processes_read_them(values: str) -> None:
    """Large whole numbers stay whole, whether given as text or as a mapping."""
    for each in of_kind(values, "ConfigMap").values():
        for key, document in each["data"].items():
            if key == "channels.yaml":
                assert parse_channels(yaml.safe_load(document)).channels
            if key == "routing.yaml":
                written = yaml.safe_load(document)
                for system in written["systems"].values():
                    system.pop("token_file", None)
                assert parse_routing(written).rules


@every_values_file
def test_pods_keep_to_the_restricted_standard(values: str) -> None:
    """Pod Security Standards, "restricted": not root, no escalation, no capabilities, seccomp, only safe volumes."""
    for _, pod in pods(values):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 10_000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for volume in spec["volumes"]:
            assert len(volume.keys() & {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}) == 1, volume
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in context
            assert not any("hostPort" in port for port in container.get("ports", []))


@every_values_file
def test_what_can_be_written_has_a_size(values: str) -> None:
    """The root is read-only; data directory and /tmp are emptyDirs with a limit."""
    for each in containers(values):
        volumes = {volume["name"]: volume for volume in each.pod["spec"]["volumes"]}
        mounts = {mount["mountPath"]: mount for mount in each.container["volumeMounts"]}
        for path in (each.environment["STOCKSTREAM_DATA_DIR"], "/tmp"):
            assert volumes[mounts[path]["name"]]["emptyDir"]["sizeLimit"]
        for path, mount in mounts.items():
            if path.startswith("/etc/"):
                assert mount["readOnly"] is True


@every_values_file
def test_secrets_come_by_reference_only(values: str) -> None:
    """The chart makes no Secret, and no variable takes one: processes read files."""
    assert not of_kind(values, "Secret")
    for each in containers(values):
        for variable in each.container["env"]:
            assert "valueFrom" not in variable
            secret = any(word in variable["name"] for word in ("PASSWORD", "TOKEN", "SECRET"))
            assert not secret or variable["name"].endswith(("_FILE", "_URL")), variable["name"]


@every_values_file
def test_probes_ask_the_health_server(values: str) -> None:
    """A worker's start lasts until it has recovered; a connector's until it answers at all; each is told apart later."""
    for each in containers(values):
        if each.component in ("setup", "operations"):
            assert not any(name.endswith("Probe") for name in each.container)
            continue
        ports = {port["name"]: port["containerPort"] for port in each.container["ports"]}
        paths = {name: each.container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
        start = "/readyz" if each.component == "worker" else "/livez"

        assert {name: probe["path"] for name, probe in paths.items()} == {
            "startup": start,
            "liveness": "/livez",
            "readiness": "/readyz",
        }
        assert {probe["port"] for probe in paths.values()} == {"health"}
        assert str(ports["health"]) in {
            v for k, v in each.environment.items() if k.endswith(("HTTP_PORT", "HEALTH_PORT"))
        }


@every_values_file
def test_a_start_may_last_as_long_as_the_recovery_of_a_large_site(values: str) -> None:
    """Twenty million positions at 6 s a million, and the rollout waits longer than one start."""
    worker = of_kind(values, "Deployment")[next(n for n in of_kind(values, "Deployment") if n.endswith("-worker"))]
    startup = worker["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    patience = startup["periodSeconds"] * startup["failureThreshold"]

    assert patience >= 20 * 6
    assert worker["spec"]["progressDeadlineSeconds"] > patience


def in_use(each: Container) -> set[str]:
    return {str(PurePosixPath(path).parent) for path in each.sources()}


@every_values_file
def test_a_component_gets_only_the_secrets_it_uses(values: str) -> None:
    """Only the API and the view know Redis's password; only connectors know their own other side's."""
    redis = {"/etc/stockstream/secrets/redis-password", "/etc/stockstream/secrets/redis-ca"}
    own = {"erp": {"erp-token", "erp"}, "webhooks": {"webhooks"}, "shop": {"shop-token"}, "api": {"api-keys"}}

    for each in containers(values):
        if each.component not in ("api", "redis-view"):
            assert not in_use(each) & redis
        for component, names in own.items():
            if each.component != component:
                assert not in_use(each) & {f"/etc/stockstream/secrets/{name}" for name in names}


def test_each_component_can_have_a_principal_of_its_own() -> None:
    """An ACL per component needs a user, or a certificate, per component; users are named as `topics acls` has them."""
    users = {each.component: each.environment["STOCKSTREAM_SASL_USERNAME"] for each in containers("production")}
    passwords = {
        each.component: each.sources()["/etc/stockstream/secrets/kafka-password/password"]
        for each in containers("production")
    }
    certificates = {
        each.component: each.sources()[each.environment["STOCKSTREAM_SSL_CERTIFICATE_FILE"]]
        for each in containers("mtls")
    }

    assert set(users.values()) <= {f"stockstream-{component}" for component in (*PROCESSES, SETUP)}
    assert len(set(users.values())) == len(users)
    assert passwords["erp"] == ("secret/stockstream-kafka-erp", "password")
    assert certificates["worker"] == ("secret/stockstream-worker-client", "tls.crt")
    assert certificates["api"] == ("secret/stockstream-api-client", "user.crt")
    assert certificates["redis-view"] == ("secret/stockstream-client", "tls.crt")


def test_a_changed_declaration_restarts_those_who_read_it_and_nobody_else() -> None:
    """Checksums of declarations are annotations of the pods that mount them."""
    changed = 'webhooks.subscriptions.document="subscriptions: {}"'
    before = {o["metadata"]["name"]: p for o, p in pods("everything")}
    after = {o["metadata"]["name"]: p for o, p in pods("everything", changed)}

    assert {name for name in before if before[name] != after[name]} == {"demo-stock-webhooks"}


def test_a_chart_upgrade_that_changes_nothing_of_a_pod_restarts_none() -> None:
    """No version of chart or app is among a pod's labels or annotations."""
    for _, pod in pods("everything"):
        assert not any("version" in name or "chart" in name for name in pod["metadata"]["labels"])


def test_common_labels_and_annotations_reach_every_object() -> None:
    for each in objects("everything"):
        assert each["metadata"]["labels"]["team"] == "supply-chain", each["kind"]
        assert each["metadata"]["annotations"]["example.com/owner"] == "supply-chain", each["kind"]


def test_settings_given_for_a_component_go_before_those_for_all() -> None:
    """And whole numbers arrive as such, not as 2.592e+09."""
    by = {each.component: each.environment for each in containers("everything")}

    assert by["worker"]["STOCKSTREAM_LOG_LEVEL"] == "warning"
    assert by["api"]["STOCKSTREAM_LOG_LEVEL"] == "info"
    assert by["worker"]["STOCKSTREAM_PAST_LIMIT_MS"] == "2592000000"
    assert by["worker"]["MALLOC_ARENA_MAX"] == "2"
    assert all(environment["TZ"] == "UTC" for environment in by.values())


@pytest.mark.parametrize("component", ["worker", "api"])
def test_free_places_of_a_pod_are_passed_on(component: str) -> None:
    each = next(each for each in containers("everything") if each.component == component)
    spec = each.pod["spec"]

    assert spec["imagePullSecrets"] == [{"name": "registry-example-com"}]
    assert spec["serviceAccountName"] == "stock-runner"
    if component == "worker":
        assert spec["priorityClassName"] == "business-critical"
        assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert spec["tolerations"][0]["key"] == "dedicated"
        assert "podAntiAffinity" in spec["affinity"]
        assert {"name": "wheel", "emptyDir": {}} in spec["volumes"]
        assert {"name": "wheel", "mountPath": "/opt/wheel"} in each.container["volumeMounts"]
        assert spec["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"
