"""channels.yaml: what is read from it, and that a mistake names its place."""

from pathlib import Path

import pytest
import yaml

from tables.channels import Channels, ChannelsError, parse
from tables.fallback import Rule
from tables.materiality import Materiality


def test_the_file_that_comes_with_the_product():
    """The example is valid and says what its comments say."""
    answer = parse(yaml.safe_load((Path(__file__).parents[2] / "channels.yaml").read_text()))
    webshop, marketplace = answer.channels

    assert (webshop.id, webshop.topic) == ("webshop", "channel.webshop.availability")
    assert webshop.sells("C")
    assert not marketplace.sells("C")
    assert marketplace.buffer_of("A") == 10
    assert marketplace.buffer_of("B") == 5
    assert marketplace.fallback.of("STALE") == Rule("WITHHOLD")
    assert webshop.fallback.stale == Rule("HAIRCUT", 30)
    assert answer.locations == ("DC01", "DC02", "DC03", "DC04")
    assert answer.materiality.of("A").date_days == answer.materiality.default.date_days == 1


@pytest.mark.parametrize("content", [None, {}, {"channels": None}])
def test_no_channels_is_a_declaration_too(content):
    """Positions alone are told then, every change of them."""
    assert parse(content) == Channels()


def test_a_segment_inherits_what_it_does_not_say():
    """null switches a rule off; a rule left out is the default's."""
    rules = parse(
        {
            "positions": {
                "materiality": {"default": {"absolute_step": 7, "date_days": 3}, "segments": {"A": {"date_days": None}}}
            }
        }
    ).materiality

    assert rules.of("A") == Materiality(absolute_step=7, date_days=None)


def channel(**settings):
    return {"channels": {"shop": {"sourcing": ["DC01"], **settings}}}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ([], "channels.yaml"),
        ({"chanels": {}}, "chanels"),
        ({"channels": {"Shop!": {"sourcing": ["DC01"]}}}, "Shop!"),
        ({"channels": {"shop": {}}}, "channels.shop.sourcing"),
        ({"channels": {7: {}}}, "7"),
        (channel(sourcing=["DC01", "DC01"]), "channels.shop.sourcing"),
        (channel(sourcing="DC01"), "channels.shop.sourcing"),
        (channel(buffer={"segments": {"A": -1}}), "channels.shop.buffer.segments.A"),
        (channel(buffer=-1), "channels.shop.buffer"),
        (channel(low_at=True), "channels.shop.low_at"),
        (channel(low_at=1.5), "channels.shop.low_at"),
        (channel(colour="red"), "colour"),
        (channel(materiality={"default": {"levels": [1, "x"]}}), "channels.shop.materiality.default.levels"),
        (channel(materiality={"default": {"min_interval_ms": 9, "max_silence_ms": 5}}), "max_silence_ms"),
        (channel(fallback={"stale": "pray"}), "channels.shop.fallback.stale"),
        (channel(fallback={"late": {"haircut": 101}}), "channels.shop.fallback.late.haircut"),
        (channel(fallback={"late": {"haircut": 1, "cap": 1}}), "channels.shop.fallback.late"),
    ],
)
def test_a_mistake_names_its_place(content, names):
    """The message leads to the line to mend."""
    with pytest.raises(ChannelsError, match=names.replace("!", r"\!")):
        parse(content)
