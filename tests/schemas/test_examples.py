"""Each subject has examples for each version; what was once an example stays one."""

from pathlib import Path

import example_files
import pytest

from schemas.catalogue import catalogue
from schemas.codec import Codec

TOPIC = {topic.record: topic.name for topic in catalogue().for_channels(["webshop"])}


@pytest.fixture(scope="module")
def codec() -> Codec:
    codec = Codec()
    for number, name in enumerate(TOPIC.values(), 1):
        codec.register(name, number)
    return codec


def named(case: tuple[str, Path]) -> str:
    return f"{case[0]}-{case[1].stem}"


@pytest.mark.parametrize("case", list(example_files.good()), ids=named)
def test_an_example_survives_the_wire(codec: Codec, case: tuple[str, Path]):
    """An example of any version encodes with today's schema and decodes to itself, absent fields as their defaults."""
    record, path = case
    example = example_files.read(record, path)
    topic = TOPIC[record]

    decoded = codec.decode(topic, codec.encode(topic, example))

    assert example == {name: decoded[name] for name in example}


@pytest.mark.parametrize("case", list(example_files.refused()), ids=named)
def test_an_example_of_a_mistake_cannot_be_encoded(codec: Codec, case: tuple[str, Path]):
    """A producer of ours learns of a malformed record before anybody else sees it."""
    record, path = case

    with pytest.raises((TypeError, ValueError, KeyError)):
        codec.encode(TOPIC[record], example_files.read(record, path))


def test_every_record_has_examples_of_its_versions():
    """From version 1 on, without a gap."""
    versions = {name: set[int]() for name in TOPIC}
    for record, path in example_files.good():
        versions[record].add(int(path.parent.name.removeprefix("v")))

    assert versions == {name: set(range(1, max(found, default=1) + 1)) for name, found in versions.items()}


@pytest.mark.parametrize("record", sorted(TOPIC))
def test_examples_show_every_kind_of_content(codec: Codec, record: str):
    """Between them, a record's examples use each of its fields; nothing is documented by its name alone."""
    shown: dict[str, object] = {}
    for name, path in example_files.good():
        if name == record:
            shown |= {key: value for key, value in example_files.read(record, path).items() if value not in (None, [])}
    decoded = codec.decode(TOPIC[record], codec.encode(TOPIC[record], next(_examples(record))))

    assert set(decoded) - set(shown) == set()


def _examples(record: str):
    return (example_files.read(record, path) for name, path in example_files.good() if name == record)
