"""Postings in files: whole or not there, the same after a kill, answered by files; to a directory and over SFTP."""

import asyncio
import csv
import hashlib
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from connectors.kafka import Record
from connectors.outbound.erp.batches import prune
from connectors.outbound.erp.file_adapter import Unreadable, answers_in, file_of, plain, postings_in, safe
from connectors.outbound.erp.lanes import Entry
from tests.connectors.erp_site import ErpSite, posting, wait


@pytest.fixture
def site(stack: Any, tmp_path: Any) -> Iterator[ErpSite]:
    it = ErpSite(stack, tmp_path)
    yield it
    it.close()


def entry(of: dict[str, Any], offset: int = 5) -> Entry:
    return Entry(Record("erp.postings", 2, offset, b"", b"", 0, {}), of, "files", "files")  # type: ignore[arg-type]


class Sftp:
    """A loopback SFTP server with one user, whose root is a directory."""

    def __init__(self, root: Path, keys: Path) -> None:
        self._root, self._keys = root, keys
        root.mkdir()
        keys.mkdir()
        host, user = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
        user.write_private_key(keys / "user")
        user.write_public_key(keys / "user.pub")
        (keys / "user").chmod(0o600)
        self._host = host
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(20)
        (keys / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host.export_public_key().decode()}")

    async def _serve(self) -> int:
        self._server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self._host],
            authorized_client_keys=str(self._keys / "user.pub"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self._root)),
        )
        return self._server.get_port()

    def declared(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "erp",
            "known_hosts": str(self._keys / "known_hosts"),
            "key_file": str(self._keys / "user"),
        }

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)


def shown(directory: Path) -> dict[str, list[dict[str, str]]]:
    """Rows by file, of files whose manifest is there and tells the truth."""
    found = {}
    for path in sorted(directory.glob("*.manifest.json")):
        manifest = json.loads(path.read_text())
        content = (directory / manifest["file"]).read_bytes()
        assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert manifest["postings"] == len({row["key"] for row in rows})
        found[manifest["file"]] = rows
    return found


def test_the_same_postings_make_the_same_file():
    """Name, content and manifest depend on nothing but the postings."""
    of = posting("PURCHASE_ORDER:1", quantity=-3)

    first, second = (file_of("legacy", [entry(of)]) for _ in range(2))

    assert first == second
    assert "postings-p0002-000000000005-000000000005" == first.name


def test_a_posting_without_lines_still_has_a_row():
    """The ERP has to hear of it and answer it."""
    (row,) = csv.DictReader(
        io.StringIO(file_of("legacy", [entry(posting("SALES_ORDER:1", lines=[]))]).content.decode())
    )

    assert ("SALES_ORDER:1/GOODS_RECEIPT/1", "") == (row["key"], row["sku"])


def test_no_cell_is_a_formula():
    """Text that begins like a formula is marked, and read back as it was; numbers stay numbers."""
    of = posting("PURCHASE_ORDER:1", sku="=cmd()", quantity=-3)
    (row,) = csv.DictReader(io.StringIO(file_of("legacy", [entry(of)]).content.decode()))

    assert ("'=cmd()", "-3") == (row["sku"], row["quantity"])
    assert all(plain(safe(text)) == text for text in ("=1", "-a", "'=", "'", "", "@x", "plain"))
    assert ["PURCHASE_ORDER:1/GOODS_RECEIPT/1"] == list(postings_in(file_of("legacy", [entry(of)]).content))


def test_an_acknowledgement_is_read_row_by_row():
    """Good rows count, bad ones are named, and a file of another kind is refused."""
    content = b"key,status,document,reason\r\na/B/1,POSTED,77,\r\nc/D/1,REFUSED,,closed\r\nd,MAYBE,,\r\ne\r\n"
    answers, wrong = answers_in(content)

    assert [("a/B/1", "77", None), ("c/D/1", None, "closed")] == [(a.key, a.document, a.reason) for a in answers]
    assert ["line 4: status 'MAYBE' is neither POSTED nor REFUSED", "line 5: 1 cells, wanted 4"] == wrong
    with pytest.raises(Unreadable, match="wanted key,status,document,reason"):
        answers_in(b"hello\r\n")


def test_old_copies_go_and_the_newest_mark_of_a_partition_never_does(tmp_path):
    """Only what lies before the newest file of the same partition is deleted, and only when it is old."""
    first, second, newest = (f"postings-p0002-{n:012d}-{n:012d}" for n in (5, 9, 12))
    other = "postings-p0003-000000000001-000000000001"
    for name in (first, second, newest, other):
        for ending in ("csv", "sent"):
            (tmp_path / f"{name}.{ending}").write_text("")
            if name != second:
                os.utime(tmp_path / f"{name}.{ending}", (0, 0))
    (tmp_path / "notes.txt").write_text("somebody's")

    prune(tmp_path, newest, 3600)
    prune(tmp_path, newest, 3600)
    prune(tmp_path / "not there yet", newest, 3600)

    assert {path.name for path in tmp_path.iterdir()} == {
        "notes.txt",
        *(f"{name}.{ending}" for name in (second, newest, other) for ending in ("csv", "sent")),
    }


@pytest.mark.stack
@pytest.mark.parametrize("kept_ms", [2_592_000_000, 1], ids=["copies kept", "old copies deleted at once"])
def test_files_are_the_same_after_a_kill_and_their_answers_become_results(site, kept_ms):
    """A connector killed at any time leaves each posting in one file; acknowledgements settle them."""
    out, answers = site.directory / "out", site.directory / "answers"
    system = {
        "adapter": "csv",
        "directory": str(out),
        "acknowledgements": str(answers),
        "batch": {"size": 7, "interval_s": 1},
    }
    routing = site.routing({"systems": {"legacy": system}})
    connector = site.connector(routing=routing, files_kept_ms=kept_ms)
    sent = [posting(site.document(n % 9), revision=n // 9 + 1) for n in range(90)]
    for start in range(0, 90, 30):
        site.send(*sent[start : start + 30])
        wait(lambda s=start: len(list(out.glob("*.csv"))) > s // 15, "files to appear")
        connector.kill()
        connector.start()

    def rows() -> list[dict[str, str]]:
        return [row for each in shown(out).values() for row in each]

    wait(lambda: len(rows()) >= 90, "all postings to be in files")
    unknown = wait(lambda: (r := site.results()) and len({x["idempotency_key"] for x in r}) == 90 and r, "results")
    for name, each in shown(out).items():
        lines = [f"{row['key']},POSTED,D{number}," for number, row in enumerate(each)]
        lines[0] = f"{each[0]['key']},REFUSED,,period is closed"
        (answers / name.replace(".csv", ".ack.csv")).write_text("\r\n".join(["key,status,document,reason", *lines, ""]))
    (answers / "hello.ack.csv").write_text("hello")
    site.settle(p["idempotency_key"] for p in sent)
    refused = {each[0]["key"] for each in shown(out).values()}

    assert sorted(p["idempotency_key"] for p in sent) == sorted(row["key"] for row in rows())
    assert {"UNKNOWN"} == {r["outcome"] for r in unknown}
    assert refused == {key for key, outcome in site.final().items() if outcome == "REFUSED"}
    assert refused == {e["subject"]["id"] for e in site.exceptions()}
    wait((answers / "bad" / "hello.ack.csv").exists, "the strange file to be set aside")
    marks = {path.name.replace(".sent", ".csv") for path in site.directory.rglob("legacy/*.sent")}
    if kept_ms == 1:
        assert set() < marks < shown(out).keys()
    else:
        assert marks == shown(out).keys()
        assert {p["correlation_id"] for p in sent} == {r["correlation_id"] for r in site.results()}


@pytest.mark.stack
def test_files_travel_by_sftp_to_a_host_that_is_known(site):
    """Upload, manifest and answers over a real SFTP server; a host with another key gets nothing."""
    server = Sftp(site.directory / "sftp", site.directory / "keys")
    system = {
        "adapter": "csv",
        "directory": "/out",
        "acknowledgements": "/answers",
        "sftp": server.declared(),
        "batch": {"size": 100, "interval_s": 0.5},
    }
    try:
        site.connector(routing=site.routing({"systems": {"legacy": system}}))
        sent = [posting(site.document(n)) for n in range(20)]
        site.send(*sent)
        out = site.directory / "sftp" / "out"
        wait(lambda: sum(map(len, shown(out).values())) == 20, "the files to arrive")
        for name, each in shown(out).items():
            lines = [f"{row['key']},POSTED,D1," for row in each]
            acknowledgement = "\r\n".join(["key,status,document,reason", *lines, ""])
            (site.directory / "sftp" / "answers" / name.replace(".csv", ".ack.csv")).write_text(acknowledgement)
        site.settle(p["idempotency_key"] for p in sent)
    finally:
        server.close()

    assert {"POSTED"} == set(site.final().values())
    assert not list(out.glob(".*"))
