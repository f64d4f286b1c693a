"""Each part of the running stack does what the product needs of it."""

import json
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = pytest.mark.stack

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def make_topic(bootstrap: str, partitions: int = 1) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})  # must outlive its answer
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(20)
    return name


def read_all(bootstrap: str, topic: str, count: int, isolation: str = "read_committed") -> list[bytes]:
    """The first `count` values of a one-partition topic, or fewer where 20 s do not bring them."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([topic])
    got: list[bytes] = []
    try:
        for _ in range(200):
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                got.append(message.value())
            if len(got) >= count:
                break
    finally:
        consumer.close()
    return got


def ask(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """Status and decoded body of a registry's answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    try:
        with DIRECT.open(urllib.request.Request(url, data, headers, method=method), timeout=20) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def schema(*fields: dict[str, Any]) -> dict[str, str]:
    return {"schema": json.dumps({"type": "record", "name": "Scan", "fields": list(fields)})}


def test_a_committed_transaction_is_read_and_an_aborted_one_is_not(bootstrap):
    """Transactions work on the one node: read-committed readers see the committed records and no others."""
    topic = make_topic(bootstrap)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(30)
    for value, ends in ((b"kept", True), (b"dropped", False), (b"kept too", True)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(20)
        (producer.commit_transaction if ends else producer.abort_transaction)(20)

    assert [b"kept", b"kept too"] == read_all(bootstrap, topic, 2)
    assert 3 == len(read_all(bootstrap, topic, 3, "read_uncommitted"))


def test_a_topic_nobody_declared_is_not_made_by_naming_it(bootstrap):
    """A misspelt topic is an error, as in production, and never a new topic."""
    name = f"undeclared-{uuid.uuid4().hex[:8]}"
    seen = AdminClient({"bootstrap.servers": bootstrap}).list_topics(name, timeout=10).topics[name]

    assert seen.error is not None
    assert name not in AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics


def test_the_registry_refuses_what_the_subjects_compatibility_forbids(registry_url):
    """Under FULL_TRANSITIVE a nullable addition is taken, a required one is a conflict (409)."""
    subject = f"{registry_url}/subjects/s-{uuid.uuid4().hex[:8]}-value/versions"
    config = subject.replace("/subjects/", "/config/").removesuffix("/versions")
    sku, note = {"name": "sku", "type": "string"}, {"name": "note", "type": ["null", "string"], "default": None}
    required = {"name": "lot", "type": "string"}

    assert 200 == ask("PUT", config, {"compatibility": "FULL_TRANSITIVE"})[0]
    assert 200 == ask("POST", subject, schema(sku))[0]
    assert 200 == ask("POST", subject, schema(sku, note))[0]
    assert 409 == ask("POST", subject, schema(sku, note, required))[0]
    assert [1, 2] == ask("GET", subject)[1]


def test_redis_answers_and_keeps_a_value(redis_url):
    """Redis is reachable by the URL the stack tells."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        client.set("stock", "7")

        assert b"7" == client.get("stock")


def test_everything_listens_on_this_machine_only(stack):
    """No part of the stack is reachable from another machine, the controller's and management's ports included."""
    listening = [
        (line.split()[1].rpartition(":")[0])
        for pid in stack.pids.values()
        for kind in ("tcp", "tcp6")
        for line in _sockets_of(pid, kind)
    ]

    assert len(listening) >= 4
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def _sockets_of(pid: int, kind: str) -> list[str]:
    """The /proc lines of a process's listening sockets."""
    files = Path(f"/proc/{pid}/fd")
    if not files.exists():
        pytest.skip("needs /proc")
    own = {inode.readlink().name for inode in files.iterdir() if inode.is_symlink()}
    lines = Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in own]


def test_the_broker_comes_back_after_sigkill_with_its_port_and_its_records(stack, bootstrap):
    """A broker killed with -9 and started again serves what it had acknowledged, at the same address."""
    topic = make_topic(bootstrap)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(topic, b"before")
    assert 0 == producer.flush(20)

    stack.stop_broker(kill=True)
    stack.start_broker()
    producer.produce(topic, b"after")

    assert 0 == producer.flush(60)
    assert bootstrap == stack.bootstrap
    assert [b"before", b"after"] == read_all(bootstrap, topic, 2)


def test_the_registry_comes_back_with_its_port_and_its_schemas(stack, registry_url):
    """Schema ids survive a restart of the registry, even a hard one."""
    subject = f"{registry_url}/subjects/k-{uuid.uuid4().hex[:8]}-value/versions"
    status, first = ask("POST", subject, schema({"name": "sku", "type": "string"}))
    assert 200 == status

    stack.stop_registry(kill=True)
    with pytest.raises(urllib.error.URLError):
        DIRECT.open(f"{registry_url}/subjects", timeout=5)
    stack.start_registry()

    assert [1] == ask("GET", subject)[1]
    assert first == ask("POST", subject, schema({"name": "sku", "type": "string"}))[1]
