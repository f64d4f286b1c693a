"""Two sites compared before one takes over: equal, different, still arriving; on two real brokers."""

import io
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema

from connectors.availability import read_availability
from connectors.away import Away
from connectors.compare import SNAPSHOTS, compare, other_site
from local.stack import LocalStack
from schemas import registry
from schemas.codec import Codec, parsed, source
from schemas.environment import SettingError, Shared

pytestmark = pytest.mark.stack
ROOT = Path(__file__).resolve().parents[2]
ANSWER = json.loads((ROOT / "schemas/examples/Availability/v1/with-supply-on-the-way.json").read_text())


class OneSite:
    """A broker with a snapshots topic, and a way to say something in it."""

    def __init__(self, bootstrap: str, registry_url: str) -> None:
        self.settings = Shared(bootstrap=bootstrap, registry=registry_url)
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([NewTopic(SNAPSHOTS, 2, 1)])[SNAPSHOTS].result(30)
        self._codec: Codec = registry.connected_codec(self.settings)
        self._producer = Producer({"bootstrap.servers": bootstrap})

    def say(self, sku: str, **fields) -> None:
        record = {**ANSWER, "sku": sku, **fields}
        self._producer.produce(
            SNAPSHOTS, key=f"{sku}|{record['location']}", value=self._codec.encode(SNAPSHOTS, record)
        )
        assert self._producer.flush(30) == 0

    def forget(self, sku: str) -> None:
        self._producer.produce(SNAPSHOTS, key=f"{sku}|{ANSWER['location']}", value=None)
        assert self._producer.flush(30) == 0


@pytest.fixture(scope="module")
def sites(tmp_path_factory) -> Iterator[tuple[OneSite, OneSite]]:
    """Two brokers; the registry may be one."""
    with LocalStack(tmp_path_factory.mktemp("blue"), need_redis=False) as blue:
        registry.register_all(Shared(bootstrap=blue.bootstrap, registry=blue.registry_url))
        with LocalStack(tmp_path_factory.mktemp("green"), need_redis=False, need_registry=False) as green:
            yield OneSite(blue.bootstrap, blue.registry_url), OneSite(green.bootstrap, blue.registry_url)


def keys(result) -> list[str]:
    return [d.key for d in result.differences]


def test_sites_with_the_same_facts_are_equal_whatever_their_revisions(sites):
    """Order of arrival changes revisions, times and causes, not what there is."""
    blue, green = sites
    blue.say("SAME", revision=7, computed_at=1, correlation_id="a", causes=["x"])
    green.say("SAME", revision=9, computed_at=2, correlation_id="b", causes=[])

    assert keys(compare(blue.settings, green.settings, passes=1)) == []


def test_a_difference_names_the_position_and_the_fields(sites):
    """One promise differs, one position is known to one site only."""
    blue, green = sites
    blue.say("OFF", atp=5)
    green.say("OFF", atp=4)
    green.say("ONLY-THERE")
    try:
        result = compare(blue.settings, green.settings, passes=1)

        where = ANSWER["location"]
        assert [(d.key, d.fields) for d in result.differences] == [
            (f"OFF|{where}", ["atp"]),
            (f"ONLY-THERE|{where}", []),
        ]
        assert result.differences[1].ours is None
    finally:
        green.say("OFF", atp=5)
        green.forget("ONLY-THERE")


def test_what_is_still_on_its_way_is_no_difference(sites):
    """A position that agrees at a later reading is left out."""
    blue, green = sites
    blue.say("LATE", atp=5)
    green.say("LATE", atp=1)
    later = threading.Timer(0.5, lambda: green.say("LATE", atp=5))
    later.start()
    try:
        assert keys(compare(blue.settings, green.settings, passes=10, wait_s=1.0)) == []
    finally:
        later.join(30)


def test_the_command_ends_with_0_when_equal_and_1_when_not(sites, tmp_path):
    """A script may decide the switch by the exit code; --json lists what differs."""
    blue, green = sites
    blue.say("CLI", atp=3)
    green.say("CLI", atp=3)
    other = tmp_path / "green.env"
    other.write_text(
        f"# the other site\nSTOCKSTREAM_BOOTSTRAP={green.settings.bootstrap}\n"
        f"STOCKSTREAM_REGISTRY={green.settings.registry}\nSTOCKSTREAM_PARTITIONS=24\n"
    )

    assert ended(blue, other)[0] == 0
    green.say("CLI", atp=2)
    code, printed = ended(blue, other)
    green.say("CLI", atp=3)

    assert code == 1
    assert json.loads(printed)["differences"][0]["fields"] == ["atp"]


def ended(site: OneSite, other: Path) -> tuple[int, str]:
    script = "import typer; from cli.compare import compare; typer.run(compare)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(other), "--json", "--passes", "1"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("STOCKSTREAM_")},
            "STOCKSTREAM_BOOTSTRAP": site.settings.bootstrap,
            "STOCKSTREAM_REGISTRY": site.settings.registry,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def test_a_site_is_not_compared_with_itself(sites):
    """Topics have the same names everywhere: one broker is one site."""
    blue, _ = sites
    with pytest.raises(SettingError, match="both sites are the broker"):
        compare(blue.settings, blue.settings)


def test_the_other_sites_file_is_refused_with_its_line():
    """A line that is no setting is named."""
    with pytest.raises(SettingError, match=r"line 2: 'BOOTSTRAP'"):
        other_site("STOCKSTREAM_APP=green\nBOOTSTRAP=x:1\n")
    assert other_site("STOCKSTREAM_APP='green'\n").app == "green"


def test_answers_of_the_next_release_are_shown_by_this_one(sites):
    """While a new release rolls out, `stockstream availability` of the old one still reads what its workers wrote."""
    site = sites[0].settings
    answer = {**ANSWER, "sku": "SKU-NEXT"}
    schema = json.loads(source("Availability"))
    schema["fields"].append({"name": "of_the_next_release", "type": ["null", "string"], "default": None})
    number = registry.client(site).register_schema("test.next-value", Schema(json.dumps(schema), "AVRO"))
    written = io.BytesIO(struct.pack(">bI", 0, number))
    written.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(written, parsed(json.dumps(schema)), {**answer, "of_the_next_release": "more"})
    producer = Producer({"bootstrap.servers": site.bootstrap})
    producer.produce(SNAPSHOTS, key=f"SKU-NEXT|{answer['location']}", value=written.getvalue())
    assert producer.flush(30) == 0

    assert read_availability(site, "SKU-NEXT") == [answer]
    assert read_availability(site, "SKU-NEXT", "ELSEWHERE") == []
    with pytest.raises(Away, match="registry is away"):
        read_availability(replace(site, registry="http://127.0.0.1:9/apis/ccompat/v7"), "SKU-NEXT")
