"""Who is not let in says so in one line, with what to mend, and leaves with 77; no process pretends to work."""

import os
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest
from secured_site import APP, CHANNELS, PARTITIONS, SecuredSite, until

from local.certificates import Authority
from local.stack import LocalStack
from local.supervised import Supervised, await_all
from local.up import Site
from schemas.registry import RegistryRefused
from streams.settings import Settings

pytestmark = pytest.mark.stack
REFUSED, USAGE = 77, 2
PROCESSES: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {
    "worker": (("worker",), "STOCKSTREAM_HTTP_PORT", {}),
    "redis-view": (("connect", "redis"), "STOCKSTREAM_VIEW_HTTP_PORT", {}),
    "erp-connector": (("connect", "erp"), "STOCKSTREAM_ERP_HTTP_PORT", {"erp_url": "http://127.0.0.1:9/odata"}),
    "shop": (("connect", "shop"), "STOCKSTREAM_COMMERCE_HTTP_PORT", {"commerce_shop_url": "http://127.0.0.1:9"}),
    "webhooks": (("connect", "webhooks"), "STOCKSTREAM_COMMERCE_HTTP_PORT", {}),
    "api": (("api",), "STOCKSTREAM_API_HEALTH_PORT", {"api_development": "true", "api_port": 0}),
}
WRONG = "not-the-password"


@pytest.fixture(scope="module")
def wrong(site: SecuredSite) -> dict[str, dict[str, Any]]:
    """What of the settings is wrong, by a word for it."""
    (site.directory / "wrong").write_text(WRONG)
    site.secrets["wrong"] = WRONG
    return {
        "password": {"sasl_password_file": site.directory / "wrong"},
        "certificate": {"ssl_ca_file": Authority(site.directory / "others").ca},
        "registry": {"registry_password_file": site.directory / "wrong"},
        "no secret": {"sasl_password_file": site.directory / "nowhere"},
    }


def test_up_prepares_a_secured_broker_and_registry_that_are_given(site: SecuredSite):
    """`stockstream up` verifies schemas and topics there by the login of the settings; without it it is not let in."""
    known = {
        name: str(value) for name, value in site.settings_of("setup").items() if name in Settings.__dataclass_fields__
    }
    given = LocalStack(
        site.directory / "given", bootstrap=site.stack.secured_bootstrap, registry=site.registry, redis=site.redis
    )
    up = Site(given, list(CHANNELS), APP, PARTITIONS)
    up.prepare(Settings(**{**known, "partitions": PARTITIONS, "session_timeout_ms": 6_000}))

    with pytest.raises(RegistryRefused):
        up.prepare()


def started(site: SecuredSite, component: str, name: str, user: str = "", **changes: Any) -> Supervised:
    command, port, more = PROCESSES[component]
    return site.process(user or component, *command, port=port, name=name, **{**more, **changes})


def ended(processes: list[Supervised], within_s: float = 60) -> list[tuple[int | None, list[str]]]:
    """Exit code and lines of each, once all have left."""
    try:
        until("the processes to leave", lambda: all(p.ended() is not None for p in processes), within_s)
    except TimeoutError as error:
        where = [stack_of(process) for process in processes if process.ended() is None]
        raise AssertionError(f"{error}: {where}") from None
    return [(process.ended(), process.log.read_text().splitlines()) for process in processes]


def stack_of(process: Supervised) -> str:
    """What a process that hangs is doing, by the interpreter's fault handler, and what it says of itself."""
    said = process.answer()
    os.kill(process.pid, signal.SIGABRT)
    until(f"{process.name} to end", lambda: process.ended() is not None, 10)
    return f"{process.name}: {said}: {process.log.read_text()[-9000:]}"


SAID = {
    "password": "the broker refuses the login of {user} by SCRAM-SHA-512",
    "certificate": "the broker's certificate is not trusted; check STOCKSTREAM_SSL_CA_FILE",
    "registry": "the registry lets us not in (401); check STOCKSTREAM_REGISTRY_USERNAME",
    "no secret": "nowhere: No such file or directory",
}


@pytest.mark.parametrize("what", SAID)
def test_a_process_that_is_not_let_in_leaves_with_one_line(
    site: SecuredSite, wrong: dict[str, dict[str, Any]], what: str
):
    """Wrong password, untrusted certificate, refusing registry, missing file: every process, one line, no trace."""
    processes = [started(site, component, f"{what}-{component}", **wrong[what]) for component in PROCESSES]

    for component, (code, lines) in zip(PROCESSES, ended(processes), strict=True):
        assert len(lines) == 1, f"{component}: {lines}"
        assert SAID[what].format(user=f"{APP}-{component}") in told(lines[0])
        assert (USAGE if what == "no secret" else REFUSED) == code, component


def told(line: str) -> str:
    return str(orjson.loads(line)["event"]) if line.startswith("{") else line


def test_a_process_says_which_acls_it_lacks(site: SecuredSite):
    """As the user of another component: what is missing is listed, with how to allow it; it does not just stand still."""
    processes = [started(site, component, f"as-wms-{component}", user="wms") for component in PROCESSES]

    lacks = {
        "worker": ("read topic warehouse.scans", f"read group {APP}"),
        "redis-view": ("read topic availability.snapshots", f"read group {APP}-redis-view"),
        "erp-connector": ("read topic erp.postings", f"{APP}-erp-shadow-…"),
        "shop": ("write topic exceptions", f"{APP}.shop.{CHANNELS[0]}"),
        "webhooks": ("webhooks.subscriptions", f"{APP}.webhooks.…"),
        "api": ("write topic supplier.acks", f"describe group {APP}-api-…"),
    }
    for component, (code, lines) in zip(PROCESSES, ended(processes), strict=True):
        assert (REFUSED, 1) == (code, len(lines)), f"{component}: {lines}"
        for part in (*lacks[component], "`stockstream topics acls --apply`"):
            assert part in told(lines[0]), component
    assert "write topic warehouse.scans" not in told(processes[-1].log.read_text())  # wms may do that


@pytest.mark.parametrize(
    "command",
    [("topics", "apply"), ("topics", "acls", "--apply"), ("availability", "SKU-1"), ("webhooks", "list")],
    ids=" ".join,
)
def test_a_command_that_is_not_let_in_says_so(
    site: SecuredSite, wrong: dict[str, dict[str, Any]], command: tuple[str, ...]
):
    """One line and 77, for a password and for a certificate."""
    for what in ("password", "certificate"):
        done = site.run(*command, **wrong[what])
        lines = done.stderr.decode().splitlines()

        assert (REFUSED, 1) == (done.returncode, len(lines)), lines
        assert SAID[what].format(user=f"{APP}-operations") in lines[0]


def test_who_may_not_read_a_topic_is_told_so_and_not_that_there_is_nothing(site: SecuredSite):
    """`availability` by somebody without the ACL."""
    done = site.run("availability", "SKU-1", component="wms")

    assert done.returncode == REFUSED
    assert "not allowed: read topic availability.snapshots" in done.stderr.decode()


def test_shut_out_later_they_leave_and_come_back_with_the_new_password(site: SecuredSite):
    """A user is taken away while its processes work; they leave with 77, the API stays; a new password lets them in."""
    names = [name for name in PROCESSES if name != "api"]
    before = site.secrets.copy()
    api = started(site, "api", "later-api")
    processes = [started(site, component, f"later-{component}", erp_session_timeout_ms=6_000) for component in names]
    await_all([*processes, api], 90)
    for component in PROCESSES:
        site.admit(f"{APP}-{component}", keep_file=True)
    site.stack.stop_broker()
    site.stack.start_broker()

    for component, (code, lines) in zip(names, ended(processes, 120), strict=True):
        assert REFUSED == code, f"{component}: {lines}"
        assert not [line for line in lines if "Traceback" in line], component
    assert api.ended() is None
    assert any(
        "refuses the login" in line or "SASL authentication" in line for line in Path(api.log).read_text().splitlines()
    )

    for component in PROCESSES:
        site.write_file(f"{APP}-{component}")
    api.stop()
    for process in (*processes, api):
        process.start()
    await_all([*processes, api], 90)

    assert [] == site.secrets_said(before)


def test_no_secret_is_said(site: SecuredSite):
    """Not when let in, not when refused."""
    assert [] == site.secrets_said()
