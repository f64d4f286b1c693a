"""values.schema.json, made from values.yaml, from what may stand where, and from the processes' own settings.

    python -m tests.deploy.chart_schema   writes helm/stockstream/values.schema.json

A name that is not in values.yaml is refused by Helm before anything is installed, and so is a misspelt setting.
"""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from cli.settings import rows

CHART: Final = Path(__file__).parents[2] / "helm" / "stockstream"
SHARED: Final = "worker and what all share"
OF_THE_CHART: Final = (
    "BOOTSTRAP", "REGISTRY", "REDIS", "APP", "CHANNELS", "CLOCK", "DATA_DIR", "SECURITY_PROTOCOL", "SSL_CA_FILE",
    "SSL_CERTIFICATE_FILE", "SSL_KEY_FILE", "SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD_FILE", "SASL_TOKEN_URL",
    "SASL_SCOPE", "SASL_TOKEN_CA_FILE", "REGISTRY_CA_FILE", "REGISTRY_CERTIFICATE_FILE", "REGISTRY_KEY_FILE",
    "REGISTRY_USERNAME", "REGISTRY_PASSWORD_FILE", "REDIS_CERTIFICATE_FILE", "REDIS_KEY_FILE", "PARTITIONS", "REPLICATION",
    "HTTP_HOST", "HTTP_PORT", "API_HOST", "API_PORT", "API_HEALTH_HOST", "API_HEALTH_PORT", "API_DEVELOPMENT",
    "API_KEYS_FILE", "REDIS_PASSWORD_FILE", "REDIS_CA_FILE", "VIEW_HTTP_HOST", "VIEW_HTTP_PORT",
    "COMMERCE_HTTP_HOST", "COMMERCE_HTTP_PORT", "COMMERCE_SUBSCRIPTIONS", "COMMERCE_SHOP_URL", "COMMERCE_SHOP_TOKEN",
    "COMMERCE_SHOP_TOKEN_FILE", "COMMERCE_SHOP_CHANNEL", "ERP_HTTP_HOST", "ERP_HTTP_PORT", "ERP_ROUTING", "ERP_URL",
    "ERP_TOKEN_FILE", "ERP_CA_FILE", "COMMERCE_CA_FILE", "API_JWT_CA_FILE", "OTLP_ENDPOINT", "OTLP_RATIO",
)  # fmt: skip
"""Settings that the chart's own values say; they cannot be given a second time."""
PROCESS: Final = {
    "worker": SHARED,
    "api": "api",
    "redisView": "connect redis",
    "webhooks": "connect webhooks, connect shop",
    "shop": "connect webhooks, connect shop",
    "erp": "connect erp",
    "operations": SHARED,
    "setup": SHARED,
}
COMPONENTS: Final = tuple(PROCESS)

TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
FREE: Final = {"type": "object"}
LIST: Final = {"type": "array", "items": {"type": "object"}}
NAME: Final = {"type": "string", "pattern": "^$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
KEY: Final = {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"}
WHOLE: Final = {"type": "integer", "minimum": 1}
COUNT: Final = {"type": "integer", "minimum": 0}
PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65535}
SHARE: Final = {"anyOf": [COUNT, {"type": "string", "pattern": "^(100|[1-9]?[0-9])%$"}]}
SIZE: Final = {"type": "string", "pattern": "^[0-9]+(Ki|Mi|Gi)$"}
SECONDS: Final = {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}
HTTP: Final = {"type": "string", "pattern": "^$|^https?://[^@\\s]+$"}
BROKERS: Final = "^$|^[^:,\\s]+:[0-9]{1,5}(, ?[^:,\\s]+:[0-9]{1,5})*$"

BY_NAME: Final[dict[str, dict[str, Any]]] = {
    "existingSecret": NAME, "existingConfigMap": NAME, "key": KEY, "passwordKey": KEY, "certificateKey": KEY,
    "privateKeyKey": KEY, "commonLabels": TEXTS, "commonAnnotations": TEXTS, "annotations": TEXTS, "labels": TEXTS,
    "podAnnotations": TEXTS, "podLabels": TEXTS, "nodeSelector": TEXTS, "tolerations": LIST, "affinity": FREE,
    "extraEnv": LIST, "extraEnvFrom": LIST, "extraVolumes": LIST, "extraVolumeMounts": LIST, "extraEgress": LIST,
    "extraMetrics": LIST, "parentRefs": LIST, "timeouts": TEXTS, "imagePullSecrets": LIST, "topologySpreadConstraints": LIST, "tls": LIST, "to": LIST,
    "from": LIST, "relabelings": LIST, "extraPorts": {"type": "array", "items": PORT},
    "ports": {"type": "array", "items": PORT}, "hosts": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "podSecurityContext": FREE, "securityContext": FREE, "resources": FREE, "behavior": FREE, "replicas": WHOLE,
    "maxSurge": SHARE, "maxUnavailable": SHARE, "sizeLimit": SIZE, "minReadySeconds": COUNT,
    "terminationGracePeriodSeconds": WHOLE, "document": {"type": ["string", "object", "null"]}, "interval": SECONDS,
    "scrapeTimeout": SECONDS, "startup": FREE, "liveness": FREE, "readiness": FREE,
}  # fmt: skip
"""What a name takes wherever it stands, unless its path says otherwise."""
BY_PATH: Final[dict[str, dict[str, Any]]] = {
    "image.digest": {"type": "string", "pattern": "^$|^sha256:[0-9a-f]{64}$"},
    "image.repository": {"type": "string", "pattern": "^$|^[a-z0-9][-a-zA-Z0-9._/:]*[a-z0-9]$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "app": {"type": "string", "pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$"},
    "kafka.bootstrapServers": {"type": "string", "pattern": BROKERS},
    "kafka.partitions": {"type": "integer", "minimum": 1, "maximum": 1000},
    "kafka.replication": WHOLE,
    "kafka.protocol": {"enum": ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]},
    "kafka.sasl.mechanism": {"enum": ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]},
    "kafka.sasl.tokenUrl": HTTP,
    "registry.url": HTTP,
    "redis.url": {"type": "string", "pattern": "^$|^rediss?://([^:@/\\s]+@)?[^@\\s]+$"},
    "ports.health": PORT,
    "ports.api": PORT,
    "api.service.port": PORT,
    "api.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "api.autoscaling.minReplicas": WHOLE,
    "api.autoscaling.maxReplicas": WHOLE,
    "api.autoscaling.cpuUtilization": {"type": "integer", "minimum": 1, "maximum": 100},
    "api.drainSeconds": WHOLE,
    "worker.keda.minReplicas": {"type": "integer", "minimum": 2},
    "worker.keda.maxReplicas": {"type": ["integer", "null"], "minimum": 2},
    "worker.keda.lagThreshold": WHOLE,
    "worker.keda.topics": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    "worker.keda.fallback.behavior": {
        "enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
    },
    "worker.keda.fallback.replicas": {"type": "integer", "minimum": 2},
    "erp.url": HTTP,
    "erp.persistence.existingClaim": NAME,
    "erp.persistence.storageClassName": NAME,
    "erp.persistence.size": {"type": "string", "pattern": "^[0-9]+(Mi|Gi|Ti)$"},
    "erp.persistence.accessModes": {
        "type": "array",
        "items": {"enum": ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]},
        "minItems": 1,
    },
    "shop.url": HTTP,
    "tracing.endpoint": HTTP,
    "tracing.ratio": {"type": "number", "minimum": 0, "maximum": 1},
    "networkPolicy.dns.port": PORT,
    "monitoring.prometheusRule.runbookUrl": {"type": "string", "pattern": "^$|^https?://\\S*\\{alert\\}\\S*$"},
}


def schema() -> dict[str, Any]:
    """The whole of values.schema.json."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    top = _object(values, "")
    top["properties"]["global"] = {"type": "object", "description": "Helm's own; not used."}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Made by python -m tests.deploy.chart_schema; a test compares it with values.yaml and the settings.",
        "title": "Values of the Stockstream chart",
        **top,
        "definitions": _definitions(),
    }


def _object(values: dict[str, Any], path: str) -> dict[str, Any]:
    properties = {name: _value(value, f"{path}.{name}".lstrip("."), name) for name, value in values.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _value(value: Any, path: str, name: str) -> dict[str, Any]:
    if name == "settings":
        return _settings(path.removesuffix("settings").rstrip("."))
    if path.removesuffix(".kafka") in COMPONENTS and name == "kafka":
        return _principal()
    if name == "strategy":
        return _strategy(value, path)
    found = BY_PATH.get(path) or (None if path == "ports" else BY_NAME.get(name))
    if found is not None:
        return dict(found)
    if isinstance(value, dict):
        return _object(value, path)
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return dict(COUNT)
    if isinstance(value, str):
        return {"type": "string"}
    raise TypeError(f"{path}: say in chart_schema.py what it takes")


def _strategy(value: dict[str, Any], path: str) -> dict[str, Any]:
    """Recreate needs `rollingUpdate: null`."""
    rolling = {"anyOf": [{"type": "null"}, _object(value["rollingUpdate"], path)]}
    properties = {"type": {"enum": ["RollingUpdate", "Recreate"]}, "rollingUpdate": rolling}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _principal() -> dict[str, Any]:
    """What a component may say of its own principal at the brokers."""
    client = {"existingSecret": NAME, "certificateKey": KEY, "privateKeyKey": KEY}
    properties = {
        "username": {"type": "string"},
        "existingSecret": NAME,
        "passwordKey": KEY,
        "clientCertificate": {"type": "object", "additionalProperties": False, "properties": client},
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _settings(component: str) -> dict[str, Any]:
    """The variables that a process knows and the chart leaves to the user; all processes' where none is named."""
    lists = dict.fromkeys([SHARED, *([PROCESS[component]] if component else [])])
    names = [{"$ref": f"#/definitions/{_definition(process)}"} for process in lists]
    return {
        "type": "object",
        "propertyNames": names[0] if len(names) == 1 else {"anyOf": names},
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
    }


def _definition(process: str) -> str:
    return process.replace(",", "").replace(" ", "-")


def _definitions() -> dict[str, Any]:
    managed = {f"STOCKSTREAM_{name}" for name in OF_THE_CHART}
    return {
        _definition(process): {
            "description": f"Settings of: {process}; see docs/settings.md.",
            "enum": [variable for of, variable, _, _ in rows() if of == process and variable not in managed],
        }
        for process in dict.fromkeys([SHARED, *PROCESS.values()])
    }


def text() -> str:
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (CHART / "values.schema.json").write_text(text())
