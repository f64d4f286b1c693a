"""What is logged has no secret and no payload in it, however it is written and however deep it stands."""

import base64
import json
import logging
import string
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas import redaction
from schemas.confidential import CONFIDENTIAL, Confidential
from schemas.logs import FIRST, LINE, JsonLines

SECRETS = (
    st.lists(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=8, max_size=40)
    .map("".join)
    .filter(lambda text: text.strip() == text and len(set(text)) > 3)
)
"""Nothing of one character over and over: a line has runs of its own. By characters, since texts are drawn from the words
of this code as well, and what stands in every line is no secret."""
WORDS = st.text(string.ascii_letters + " .,:-", max_size=20)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    """The process's own secrets are put aside."""
    fresh = Confidential()
    monkeypatch.setattr(redaction, "CONFIDENTIAL", fresh)
    return fresh


def line(message: str, *args: object, error: BaseException | None = None, **extra: object) -> str:
    record = logging.LogRecord("test", logging.INFO, "x.py", 1, message, args, None)
    record.exc_info = (type(error), error, error.__traceback__) if error else None
    for name, value in extra.items():
        setattr(record, name, value)
    return JsonLines().format(record)


def texts(value: object) -> list[str]:
    """All texts of a line as whoever reads it gets them."""
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [str(value)]


SPELLINGS = {
    "plain": lambda secret: secret,
    "percent": lambda secret: quote(secret, safe=""),
    "percent, lower case": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "form": quote_plus,
    "repr": repr,
    "repr of bytes": lambda secret: ascii(secret.encode())[1:],
    "JSON": json.dumps,
    "JSON within JSON": lambda secret: json.dumps(json.dumps({"x": secret})),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "credentials": lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    "credentials for URLs": lambda secret: base64.urlsafe_b64encode(f"somebody:{secret}".encode()).decode(),
    "in a URL": lambda secret: f"redis://user:{quote(secret)}@host:6379/0",
}


def holds(text: str, secret: str) -> bool:
    """Whether a secret can be read out of a text by any of the ways back."""
    if any(secret in way(text) for way in (str, unquote, unquote_plus)):
        return True
    for part in text.replace("-", "+").replace("_", "/").split():
        for cut in range(4):
            try:
                if secret.encode() in base64.b64decode(part[cut:] + "=="):
                    return True
            except ValueError:
                continue
    return False


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(secret=SECRETS, before=WORDS, after=WORDS, how=st.integers(0, 6))
def test_a_secret_that_was_read_is_never_told(spelling: str, secret: str, before: str, after: str, how: int):
    """In a message, an argument, a field, a key, nested, in an exception; in every spelling."""
    known = Confidential()
    known.keep(secret)
    tell = [
        line,
        lambda written: line("%s and %r", written, [written]),
        lambda written: line("event", note=written, deep={"a": [{"b": (written,)}]}),
        lambda written: line("event", deep={written: 1}),
        lambda written: line("event", error=ValueError(written)),
        lambda written: line("event", error=OSError(2, "no", written)),
        lambda written: line("%(a)s", {"a": [written]}),
    ][how]
    # What stands in every line, told or not, cannot be told apart from it.
    without = tell(f"{before} {SPELLINGS[spelling]('')} [redacted] {after}")
    assume(not any(holds(text, secret) for text in texts(json.loads(without))))
    before_ = redaction.CONFIDENTIAL
    redaction.CONFIDENTIAL = known
    try:
        out = tell(f"{before} {SPELLINGS[spelling](secret)} {after}")
    finally:
        redaction.CONFIDENTIAL = before_

    for text in texts(json.loads(out)):
        assert not holds(text, secret), out


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary() | st.integers(), inner),
        max_leaves=30,
    ),
    st.text(),
)
def test_whatever_is_logged_is_one_line_of_json(value: object, message: str):
    """With the fields that every line has, and no longer than a line may be."""
    out = line(message.replace("%", "%%") + "%s", value, field=value)

    assert "\n" not in out
    assert len(out) <= LINE
    assert [*json.loads(out)][: len(FIRST)] == list(FIRST)


@given(st.binary(min_size=4), st.integers(0, 4))
def test_bytes_are_never_told(raw: bytes, how: int):
    """Only how many they are, and a digest."""
    form = [raw, bytearray(raw), memoryview(raw), [raw], {"x": raw}][how]
    out = line("event %s", form, field=form, error=ValueError(raw))

    assert repr(raw)[2:-1] not in json.loads(out)["event"].removeprefix("event ").replace(redaction.size(raw), "")
    assert repr(raw) not in " ".join(texts(json.loads(out)))


CREDENTIALS = [
    ("Authorization: Bearer abc.DEF-123_456", "abc.DEF"),
    ("{'Authorization': 'Basic dXNlcjpodW50ZXIyLg=='}", "dXNlcjpodW50"),
    ("Proxy-Authorization: Basic dXNlcjpodW50ZXIyLg==", "dXNlcjpodW50"),
    ("sent Basic dXNlcjpodW50ZXIyLg== there", "dXNlcjpodW50"),
    ("sasl.password=hunter2 and more", "hunter2"),
    ("sasl_plain_password='hunter2 with \"quotes\"', x=1", "hunter2"),
    ('{"sasl.oauthbearer.client.secret": "hunter2"}', "hunter2"),
    ('{\\"password\\": \\"hunter2\\"}', "hunter2"),
    ("token: hunter2\n", "hunter2"),
    ("?api_key=hunter2&x=1", "hunter2"),
    ('org.apache.kafka.ScramLoginModule required username="u" password="hunter2";', "hunter2"),
    ('sasl.jaas.config=x.PlainLoginModule required username="u" password="hunter2";', "hunter2"),
    ("redis://user:hunter2@host:6379/0 is away", "hunter2"),
    ("amqps://hunter2@host/v", "hunter2"),
    ("postgres://u:p@ss%2Fhunter2@host", "hunter2"),
    ("key sk_0123456789ab_hunter2-hunter2 is unknown", "hunter2"),
    ("whsec_aHVudGVyMmh1bnRlcjI=", "aHVudGVyMm"),
    ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2ln-bmF0dXJl", "eyJzdWIi"),
    ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEhunter2\n-----END EC PRIVATE KEY-----", "hunter2"),
    ("-----BEGIN PRIVATE KEY-----\\nMHcCAQEEhunter2", "hunter2"),
    ("could not decode b'hunter2' or b\"hunter2's\"", "hunter2"),
]


@pytest.mark.parametrize(("written", "secret"), CREDENTIALS, ids=[written[:30] for written, _ in CREDENTIALS])
def test_credentials_are_known_by_their_form(written: str, secret: str):
    """In messages and in traces, although nobody has read them."""
    assert secret not in line("%s", written)
    assert secret not in line("failed", error=ValueError(written))


@pytest.mark.parametrize(
    "name",
    ["password", "sasl_plain_password", "X-API-Key", "Authorization", "client_secret", "sasl.jaas.config", "apikey",
     "refresh_token", "signingKey", "SIGNING_KEY", "private-key", "Set-Cookie"],
)  # fmt: skip
def test_a_field_named_like_a_secret_is_dropped(name: str):
    """At any depth, whatever is in it; where it may be found is told."""
    out = line("event", settings=[{"broker": {name: ["hunter2"], f"{name}_file": "/run/secrets/x"}}])

    assert "hunter2" not in out
    assert "/run/secrets/x" in out


def test_a_payload_is_shown_by_its_size():
    """So that two lines about the same bytes can be told to be so."""
    told = json.loads(line("event", payload="stock of everything", deep=[{"original": b"12345"}], note="plain"))

    assert told["payload"].startswith("[19 characters, blake2b ")
    assert told["deep"] == [{"original": redaction.size(b"12345")}]
    assert told["note"] == "plain"


def test_operators_are_still_told_where_to_look():
    """Names of settings, files, hosts and ids stay as they are."""
    for text in (
        "STOCKSTREAM_SASL_PASSWORD_FILE=/etc/nowhere: No such file or directory",
        "check STOCKSTREAM_SASL_USERNAME and the secret in STOCKSTREAM_SASL_PASSWORD_FILE",
        "the broker refuses the login of worker by SCRAM-SHA-512 (authentication failed during basic checks)",
        "https://erp.example/odata?sap-client=100 did not answer; the bearer of bad news",
        "warehouse.scans[3]@1234 is passed over: schema 7 is not known here",
    ):
        assert json.loads(line("%s", text))["event"] == text


def test_what_is_too_long_is_shortened_and_never_ends_in_half_a_secret(nothing_known: Confidential):
    """However the end of what is looked at falls."""
    secret = "a-secret-that-is-long-enough"
    nothing_known.keep(secret)
    for spare in range(len(secret) + 1):
        begun, ended = "x" * (redaction.LOOKED_AT - spare), "x" * (redaction.LOOKED_AT - len(secret) + spare)
        shown = redaction.text(begun + secret + ended, most=2 * redaction.LOOKED_AT)

        assert not {"a-s", "secret", "ugh"} & {shown[at : at + n] for n in (3, 6) for at in range(len(shown))}
    assert len(line("%s", "é" * 1_000_000, a=["é" * 5_000] * 60)) <= LINE


def test_what_is_no_secret_is_not_kept():
    """A password of three characters would be found in every line."""
    known = Confidential()
    for text in ("", "abc", " abc "):
        known.keep(text)

    assert known.without("abc") == "abc"
    assert CONFIDENTIAL.without("plain") == "plain"
