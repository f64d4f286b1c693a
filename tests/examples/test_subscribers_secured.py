"""The examples against a broker with TLS, SCRAM and ACLs: a channel's user reads its own channel and no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from example_commands import Command, ended
from offer_history import OfferHistory

from local.stack import LocalStack

pytestmark = pytest.mark.stack
PASSWORD = 'a "secret" \\ of 24 letters'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, registry_url: str) -> Iterator[LocalStack]:
    """A broker on which only what an ACL allows is allowed."""
    with LocalStack(tmp_path_factory.mktemp("guarded"), registry=registry_url, need_redis=False, secured=True) as stack:
        yield stack


def admit(bootstrap: str, user: str, channel: str) -> None:
    """What docs/channels.md asks for: a login, its topic to read, and groups of the channel's name."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    [set_up] = admin.alter_user_scram_credentials(
        [UserScramCredentialUpsertion(user, info, PASSWORD.encode())]
    ).values()
    set_up.result(30)
    read = (f"User:{user}", "*", AclOperation.READ, AclPermissionType.ALLOW)
    topic = AclBinding(ResourceType.TOPIC, f"channel.{channel}.availability", ResourcePatternType.LITERAL, *read)
    group = AclBinding(ResourceType.GROUP, f"{channel}-", ResourcePatternType.PREFIXED, *read)
    for done in admin.create_acls([topic, group]).values():
        done.result(30)


def test_a_channel_reads_its_own_topic_and_no_other(
    command: Command,
    guarded: LocalStack,
    site: dict[str, str],
    tmp_path: Path,
) -> None:
    """By TLS with SCRAM or a certificate; another channel's topic and a wrong password are refused in words that say what to do."""
    mine, other = (OfferHistory(guarded.bootstrap, guarded.registry_url) for _ in range(2))
    for history in (mine, other):
        history.offer("SKU-000")
        history.producer.flush(30)
    admit(guarded.bootstrap, "shop", mine.channel)
    assert guarded.authority is not None
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "wrong").write_text("guess\n")
    site |= {
        "STOCKSTREAM_BOOTSTRAP": guarded.secured_bootstrap,
        "STOCKSTREAM_SECURITY_PROTOCOL": "SASL_SSL",
        "STOCKSTREAM_SSL_CA_FILE": str(guarded.authority.ca),
        "STOCKSTREAM_SASL_USERNAME": "shop",
        "STOCKSTREAM_SASL_PASSWORD_FILE": str(tmp_path / "password"),
    }
    end = ["--until-idle-seconds", "1", "--state"]
    code, lines, said = ended([*command, mine.channel, *end, str(tmp_path / "mine")], site)

    assert code == 0, said
    assert lines[-1]["offers"] == mine.newest

    certificate = guarded.authority.issue("shop")
    by_certificate = {
        **site,
        "STOCKSTREAM_BOOTSTRAP": guarded.mutual_bootstrap,
        "STOCKSTREAM_SECURITY_PROTOCOL": "SSL",
        "STOCKSTREAM_SSL_CERTIFICATE_FILE": str(certificate.certificate),
        "STOCKSTREAM_SSL_KEY_FILE": str(certificate.key),
    }
    code, lines, said = ended([*command, mine.channel, *end, str(tmp_path / "certified")], by_certificate)

    assert code == 0, said
    assert lines[-1]["offers"] == mine.newest

    code, _, said = ended([*command, other.channel, *end, str(tmp_path / "other")], site)

    assert code == 1
    assert "this user may not read the topic; ask for the channel's ACL" in said

    wrong = {**site, "STOCKSTREAM_SASL_PASSWORD_FILE": str(tmp_path / "wrong")}
    code, _, said = ended([*command, mine.channel, *end, str(tmp_path / "refused")], wrong)

    assert code == 1
    assert "the broker refuses the login; check STOCKSTREAM_SASL_USERNAME and its password" in said
