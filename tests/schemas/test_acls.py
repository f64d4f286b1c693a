"""The ACL list follows from the catalogue, gives nobody more than its work needs, and never one's things to another."""

import pytest

from schemas.acls import COMPONENTS, STAGES, Acl, AclError, Site, acls, known, of_component
from schemas.catalogue import CHANNEL, catalogue

CHANNELS = ("webshop", "marketplace")
SITE = Site("stockstream", CHANNELS, ("stockstream-intake-changelog",), "webshop", {})


def test_every_name_in_the_catalogue_is_a_stage_a_process_or_a_party():
    """A producer or consumer that nobody knows would get no ACL."""
    named = {name for topic in catalogue().topics for name in (*topic.producers, *topic.consumers)}

    assert named <= {*STAGES, *COMPONENTS, "channel"}


def test_a_channel_may_read_its_own_topic_and_use_its_own_groups_and_nothing_else():
    """Two ACLs, whatever else the site has."""
    assert [
        Acl("User:channel-webshop", "topic", "channel.webshop.availability", "literal", "read"),
        Acl("User:channel-webshop", "group", "webshop-", "prefixed", "read"),
    ] == [acl for acl in acls(SITE) if acl.principal == "User:channel-webshop"]


def test_a_channel_may_follow_feeds_only_where_that_is_asked_for():
    """How fresh the feeds are is not a channel's own."""
    site = Site("stockstream", CHANNELS, (), "webshop", {}, frozenset({"webshop"}))

    assert Acl("User:channel-webshop", "topic", "feeds.status", "literal", "read") in of_component(
        site, "channel:webshop"
    )
    assert not [acl for acl in of_component(site, "channel:marketplace") if acl.name == "feeds.status"]


@pytest.mark.parametrize("component", [name for name in COMPONENTS if name != "worker"])
def test_nobody_but_a_worker_may_write_transactions_the_ledger_or_a_promise(component: str):
    """The single writer is alone by ACL too."""
    its = of_component(SITE, component)

    assert not [acl for acl in its if acl.resource == "transactional-id"]
    assert not [
        acl
        for acl in its
        if acl.operation == "write" and acl.name.startswith(("inventory.", "availability.", "channel.", "stockstream-"))
    ]


def test_all_is_literal_or_a_prefix_with_an_end():
    """No wildcard, and no prefix that another application's or channel's name could begin with by chance."""
    for acl in acls(SITE):
        assert "*" not in acl.name
        if acl.pattern == "prefixed" and acl.operation != "describe":
            assert acl.name[-1] in "-.", acl


def test_the_shop_reads_the_one_channel_it_serves():
    """Other channels' quantities are none of its business."""
    its = {acl.name for acl in of_component(SITE, "shop") if acl.operation == "read"}

    assert {"channel.webshop.availability", "feeds.status", "stockstream.shop.webshop"} == its


def test_setup_changes_nothing_that_exists():
    """`topics apply` creates and verifies."""
    assert {"create", "describe", "describe-configs"} == {acl.operation for acl in of_component(SITE, "setup")}


def test_operations_read_all_and_write_how_webhooks_stand():
    """Whoever looks after the site can look at everything, and enable a subscription."""
    its = of_component(SITE, "operations")
    names = {topic.name for topic in catalogue().for_channels(CHANNELS)}

    assert names == {acl.name for acl in its if acl.resource == "topic" and acl.operation == "read"}
    assert ["webhooks.subscriptions"] == [acl.name for acl in its if acl.operation == "write"]


def test_principals_are_named_as_the_site_names_them():
    """By component, and `channel:ID` for a channel."""
    site = Site("b2b", CHANNELS, (), "webshop", {"worker": "User:svc-b2b", "channel:webshop": "User:shop"})

    assert {"User:svc-b2b"} == {acl.principal for acl in of_component(site, "worker")}
    assert {"User:shop"} == {acl.principal for acl in of_component(site, "channel:webshop")}
    assert {"User:b2b-api"} == {acl.principal for acl in of_component(site, "api")}


@pytest.mark.parametrize(
    ("app", "channels", "said"),
    [
        ("stockstream", ("web", "web-shop"), "channel web: its groups begin with web-, and so do those of the channel web-shop"),
        ("stockstream", ("stockstream",), "and so do those of the application stockstream"),
        ("stock-stream", ("stock",), "and so do those of the application stock-stream"),
    ],
)  # fmt: skip
def test_a_channel_whose_groups_would_be_others_too_is_refused(app: str, channels: tuple[str, ...], said: str):
    """One could move another's offsets."""
    with pytest.raises(AclError, match=said):
        acls(Site(app, channels, (), "", {}))


def test_a_component_nobody_knows_is_named():
    """A misspelt one never passes for one that needs nothing."""
    with pytest.raises(AclError, match=r"workers: no such component; there are worker, api"):
        of_component(SITE, "workers")
    with pytest.raises(AclError, match=r"channel:b2b: no such component"):
        acls(Site("stockstream", CHANNELS, (), "webshop", {"channel:b2b": "User:b"}))


def test_every_topic_is_written_and_read_by_somebody_who_may():
    """No topic of the catalogue is out of everybody's reach."""
    may = {(acl.name, acl.operation) for acl in acls(SITE)}

    for topic in catalogue().for_channels(CHANNELS):
        assert {(topic.name, "read"), (topic.name, "write"), (topic.name, "create")} <= may
    assert CHANNEL not in {name for name, _ in may}
    assert set(known(SITE)) == {*COMPONENTS, "channel:webshop", "channel:marketplace"}
