"""subscriptions.yaml: what it may say, and how each mistake is told."""

import pytest
import yaml

from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.subscriptions import SubscriptionsError, load
from connectors.outbound.commerce.webhooks import Webhooks
from connectors.process import Process
from schemas.codec import Codec
from tables.channels import Channel
from tests.connectors.commerce_site import FIRST

GOOD = {"channel": "webshop", "url": "https://shop.example/hook", "secrets": [{"env": "SECRET_ONE"}]}


def loaded(tmp_path, declared):
    path = tmp_path / "subscriptions.yaml"
    path.write_text(yaml.safe_dump({"subscriptions": declared}) if isinstance(declared, dict) else declared)
    return load(Commerce(subscriptions=str(path)), frozenset({"webshop"}))


def test_a_subscription_says_who_hears_what_and_how(tmp_path, monkeypatch):
    """Everything declared arrives, what is left out is the default."""
    monkeypatch.setenv("SECRET_ONE", FIRST)
    (tmp_path / "secret").write_text(FIRST)
    both = [{"env": "SECRET_ONE"}, {"file": str(tmp_path / "secret")}]
    one = loaded(tmp_path, {"hub": {**GOOD, "secrets": both, "skus": ["BOLT-*"], "segments": ["A"], "batch_size": 7}})

    assert (7, 200, True) == (one["hub"].batch_size, one["hub"].batch_ms, one["hub"].enabled)
    assert 2 == len(one["hub"].secrets)
    assert one["hub"].wants("BOLT-1", "A")
    assert one["hub"].wants("BOLT-1", None)
    assert not one["hub"].wants("BOLT-1", "B")
    assert not one["hub"].wants("NUT-1", "A")


def test_any_change_of_a_declaration_changes_its_fingerprint(tmp_path, monkeypatch):
    """By that a disabled subscription is served again."""
    monkeypatch.setenv("SECRET_ONE", FIRST)
    first = loaded(tmp_path, {"hub": GOOD})["hub"].declaration

    assert first == loaded(tmp_path, {"hub": GOOD})["hub"].declaration
    assert first != loaded(tmp_path, {"hub": {**GOOD, "url": "https://shop.example/other"}})["hub"].declaration


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"channel": "webshpo"}, "subscriptions.hub.channel: 'webshpo' is not a declared channel; webshop"),
        ({"url": "http://shop.example/"}, "subscriptions.hub.url: http://shop.example/: only https is allowed"),
        ({"url": "https://hub..example/x"}, "subscriptions.hub.url: 'hub..example' is no name of a host"),
        ({"url": "http://me:pw@shop.example/"}, "subscriptions.hub.url: give no user or password in the URL"),
        ({"url": 7}, "subscriptions.hub.url: 7 is not a URL"),
        ({"secrets": []}, "subscriptions.hub.secrets: name one or two"),
        ({"secrets": ["whsec_abc"]}, "a secret is never written here"),
        ({"secrets": [{"env": "NO_SUCH"}]}, "environment variable NO_SUCH: there is no secret"),
        ({"skus": "BOLT"}, "subscriptions.hub.skus: 'BOLT' is not a list of texts"),
        ({"batch_size": 0}, "subscriptions.hub.batch_size: 0 is not a whole number from 1 to 1000"),
        ({"enabled": "yes"}, "subscriptions.hub.enabled: 'yes' is neither true nor false"),
        ({"retries": 3}, "subscriptions.hub: unknown setting 'retries'; known are channel"),
    ],
)
def test_a_mistake_is_told_with_its_path(tmp_path, monkeypatch, change, told):
    """What is wrong, where, and how to mend it."""
    monkeypatch.setenv("SECRET_ONE", FIRST)
    with pytest.raises(SubscriptionsError) as error:
        loaded(tmp_path, {"hub": {**GOOD, **change}})

    assert told in str(error.value)


def test_a_secret_that_comes_after_its_declaration_is_taken_up(tmp_path, monkeypatch, caplog):
    """The declaration counts as read once it could be used; until then it is told once what it lacks."""
    path, secret = tmp_path / "subscriptions.yaml", tmp_path / "secret"
    path.write_text(yaml.safe_dump({"subscriptions": {"hub": {**GOOD, "secrets": [{"file": str(secret)}]}}}))
    settings = Commerce(subscriptions=str(path))
    channels = {"webshop": Channel("webshop", ("DC01",))}
    webhooks = Webhooks(settings, Codec(), channels, True, Process("webhooks", settings))
    for _ in range(3):
        webhooks._look_at_declarations()
    before, told = dict(webhooks._declared), [record.getMessage() for record in caplog.records]
    secret.write_text(FIRST)
    webhooks._look_at_declarations()
    after = dict(webhooks._declared)
    secret.unlink()
    webhooks._look_at_declarations()

    assert ({}, ["hub"]) == (before, list(after))
    assert 1 == len(told)
    assert str(secret) in told[0]
    assert after == webhooks._declared
    assert len(told) == len(caplog.records)


@pytest.mark.parametrize("text", ["{", "- 1", "subs: {}", "subscriptions: [1]", "subscriptions: {hub: 3}"])
def test_a_file_that_is_no_declaration_is_told(tmp_path, text):
    """Also where nothing in it can be understood."""
    with pytest.raises(SubscriptionsError, match=r"subscriptions"):
        loaded(tmp_path, text)


def test_a_missing_file_names_the_setting():
    """Whoever starts it without a declaration learns where one belongs."""
    with pytest.raises(SubscriptionsError, match="STOCKSTREAM_COMMERCE_SUBSCRIPTIONS"):
        load(Commerce(subscriptions="no/such.yaml"), frozenset())
