"""The one local stack of a test session: started when the first test asks for it, stopped whatever happens."""

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from local.stack import LocalStack
from schemas import logs

LONG = (
    "connectors/test_compare_sites.py",
    "connectors/test_erp_connector.py",
    "connectors/test_erp_exactly_once.py",
    "connectors/test_erp_files.py",
    "connectors/test_erp_routing.py",
    "connectors/test_feeds_in_pushes.py",
    "connectors/test_paused_partitions.py",
    "connectors/test_redis_users.py",
    "connectors/test_redis_view_faults.py",
    "connectors/test_shop_exact.py",
    "connectors/test_webhooks_exact.py",
    "deploy/test_chart.py",
    "deploy/test_chart_pods.py",
    "deploy/test_chart_processes.py",
    "deploy/test_compose_processes.py",
    "examples/",
    "faults/",
    "local_network/test_demo.py",
    "monitoring/test_rules.py",
    "monitoring/test_site_metrics.py",
    "operation/",
    "pipeline/test_reservations.py",
    "pipeline/test_starved_worker.py",
    "pipeline/test_worker_log.py",
    "pipeline/test_traced_site.py",
    "security/",
)
"""Proofs that take a minute or more each, most of it waiting for killed processes: `make test-long`."""


settings.register_profile("repeatable", derandomize=True)
"""The same cases on every run: a machine that checks a change says something of the change alone."""


def pytest_configure(config: pytest.Config) -> None:
    """Cases are drawn anew only where asked: `make explore`."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long."""
    root = Path(__file__).parent
    for item in items:
        if item.path.relative_to(root).as_posix().startswith(LONG):
            item.add_marker(pytest.mark.long)


@pytest.fixture(autouse=True)
def each_command_by_itself(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that becomes a process speaks JSON until that ends; here the next one follows in the same process."""
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(logs, "_process", "")
    monkeypatch.setattr(root, "handlers", [*root.handlers])
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Real Kafka, registry and Redis on free ports; a test that hurts them heals them before it ends."""
    with LocalStack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def bootstrap(stack: LocalStack) -> str:
    """Bootstrap servers of the session's broker."""
    return stack.bootstrap


@pytest.fixture(scope="session")
def registry_url(stack: LocalStack) -> str:
    """Base URL of the session's registry, Confluent API."""
    return stack.registry_url


@pytest.fixture(scope="session")
def redis_url(stack: LocalStack) -> str:
    """URL of the session's Redis."""
    return stack.redis_url
