"""values.schema.json: in step with values.yaml and the settings, strict about names, plain about what is missing."""

import json
from typing import Any

import jsonschema
import pytest
import yaml
from chart_schema import CHART, OF_THE_CHART, text
from rendered_chart import VALUES, Refused, helm, needs_helm, objects

from cli.settings import rows

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def checked(values: Any) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(values)


def test_the_schema_is_what_values_and_settings_say() -> None:
    """`python -m tests.deploy.chart_schema` writes it anew."""
    assert (CHART / "values.schema.json").read_text() == text()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_what_the_chart_manages_are_settings() -> None:
    known = {variable for _, variable, _, _ in rows()}

    assert {f"STOCKSTREAM_{name}" for name in OF_THE_CHART} <= known


@pytest.mark.parametrize("path", [CHART / "values.yaml", *VALUES.values()], ids=lambda path: path.name)
def test_the_schema_takes_the_values_that_come_with_the_chart(path: Any) -> None:
    checked(yaml.safe_load(path.read_text()))


def test_every_value_is_described_in_the_readme() -> None:
    """helm-docs takes descriptions from values.yaml; a value without one would be an empty cell."""
    readme = (CHART / "README.md").read_text()
    table = [line for line in readme.splitlines() if line.startswith("| ") and line.count(" | ") >= 3]

    assert len(table) > 100
    assert [line for line in table if line.endswith("|  |")] == []


WRONG: dict[str, Any] = {
    "a misspelt name": {"worker": {"replcias": 3}},
    "a misspelt name at the top": {"wroker": {}},
    "a misspelt setting": {"worker": {"settings": {"STOCKSTREAM_COMMIT_INTERVALL_MS": 20}}},
    "a setting of another process": {"worker": {"settings": {"STOCKSTREAM_API_CLIENT_RATE": 5}}},
    "a setting that the chart manages": {"settings": {"STOCKSTREAM_BOOTSTRAP": "kafka:9092"}},
    "a password in Redis's URL": {"redis": {"url": "redis://user:secret@redis:6379/0"}},
    "a password in the registry's URL": {"registry": {"url": "https://user:secret@registry"}},
    "brokers without a port": {"kafka": {"bootstrapServers": "kafka"}},
    "a protocol that is none": {"kafka": {"protocol": "TLS"}},
    "a mechanism that is none": {"kafka": {"sasl": {"mechanism": "SCRAM"}}},
    "no workers": {"worker": {"replicas": 0}},
    "KEDA down to one worker": {"worker": {"keda": {"minReplicas": 1}}},
    "KEDA falling back to none": {"worker": {"keda": {"fallback": {"replicas": 0}}}},
    "a digest cut short": {"image": {"digest": "sha256:abc"}},
    "an access mode that is none": {"erp": {"persistence": {"accessModes": ["ReadWrite"]}}},
    "a replica count in words": {"api": {"replicas": "two"}},
    "a secret's name that cannot be one": {"redis": {"existingSecret": "Redis Secret"}},
    "the setup's principal misspelt": {"setup": {"kafka": {"user": "admin"}}},
    "a strategy that is none": {"worker": {"strategy": {"type": "BlueGreen"}}},
    "a runbook's URL that is the same for all": {"monitoring": {"prometheusRule": {"runbookUrl": "https://docs/x"}}},
    "a port out of range": {"ports": {"health": 70000}},
}


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_the_schema_refuses(wrong: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        checked(WRONG[wrong])


@needs_helm
@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_helm_refuses_before_anything_is_installed(wrong: str) -> None:
    """The same schema, by Helm itself."""
    first, value = next(iter(WRONG[wrong].items()))

    with pytest.raises(Refused, match=r"values don't meet the specifications|schema"):
        objects("production", f"{first}={json.dumps(value)}")


MISSING: dict[str, tuple[list[str], str]] = {
    "brokers": (['kafka.bootstrapServers=""'], "kafka.bootstrapServers"),
    "registry": (['registry.url=""'], "registry.url"),
    "Redis": (['redis.url=""'], "redis.url"),
    "channels": (["channels.document=null"], "channels.document"),
    "a user for SASL": (['kafka.protocol="SASL_SSL"', 'kafka.sasl.existingSecret="x"'], "kafka.sasl.username"),
    "a password for SASL": (['kafka.protocol="SASL_SSL"', 'kafka.sasl.username="x"'], "kafka.sasl.existingSecret"),
    "a token endpoint": (
        ['kafka.protocol="SASL_SSL"', 'kafka.sasl={"mechanism":"OAUTHBEARER","username":"x","existingSecret":"x"}'],
        "kafka.sasl.tokenUrl",
    ),
    "a password at the registry": (['registry.username="x"'], "registry.existingSecret"),
    "authentication of the API": (['api.keys.existingSecret=""'], "api-keys create"),
    "an ERP": (["erp.enabled=true"], "erp.url"),
    "a shop": (["shop.enabled=true"], "shop.url"),
    "a gateway": (["api.httpRoute.enabled=true"], "api.httpRoute.parentRefs"),
    "a host": (["api.ingress.enabled=true"], "api.ingress.hosts"),
    "an image": (['image.repository=""'], "image.repository"),
    "a way out to systems that Helm cannot see": (
        ["erp.enabled=true", 'erp.routing.existingConfigMap="routing"'],
        "networkPolicy.erp.extraPorts",
    ),
    "a routing that can be read": (["erp.enabled=true", 'erp.routing.document="systems: {"'], "erp.routing.document"),
    "a volume that several pods can have": (
        ["erp.enabled=true", 'erp.url="https://erp.example.com"', "erp.persistence.enabled=true"],
        "erp.persistence: 2 pods (erp.replicas) cannot share a volume of ReadWriteOnce",
    ),
    "work for so many workers to fall back to": (
        ["kafka.partitions=2", "worker.keda.enabled=true"],
        "worker.keda.fallback.replicas: 3 are more than the 2 workers",
    ),
    "work for so many workers": (
        ["worker.keda.enabled=true", "worker.keda.minReplicas=20"],
        "more than the 12 workers that can have work",
    ),
}


@needs_helm
@pytest.mark.parametrize("missing", MISSING, ids=str)
def test_what_is_missing_is_named(missing: str) -> None:
    """The message names the value to set."""
    sets, told = MISSING[missing]

    with pytest.raises(Refused) as refused:
        objects("minimal", *sets)

    assert told in str(refused.value)


@needs_helm
def test_a_declaration_can_come_from_a_file() -> None:
    """`--set-file` keeps its comments and order."""
    channels = CHART.parents[1] / "channels.yaml"
    told = helm(
        "template",
        "demo",
        str(CHART),
        "--values",
        str(VALUES["minimal"]),
        "--set-file",
        f"channels.document={channels}",
    )
    maps = [each for each in yaml.safe_load_all(told) if each and each["kind"] == "ConfigMap"]

    assert {each["data"]["channels.yaml"] for each in maps} == {channels.read_text()}
