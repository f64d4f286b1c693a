"""Downloads are whole or not there, happen once, and fail in words. A small Maven repository on this machine serves."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.cache import cache_directory, need_room
from local.downloads import APICURIO, Downloads
from local.errors import StackError
from local.maven import mirror
from local.progress import Lines

NAME = f"apicurio-registry-app-{APICURIO}-all.tar.gz"
PATH = f"/repo/io/apicurio/apicurio-registry-app/{APICURIO}/{NAME}"


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        entry = tarfile.TarInfo("quarkus-run.jar")
        entry.size = 300_000
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return out.getvalue()


class Repository(ThreadingHTTPServer):
    """Serves one archive and its digest; breaks off, lies or waits as told, and counts what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.body = archive()
        self.digest = hashlib.sha1(self.body).hexdigest()
        self.break_after: int | None = None
        self.wait_s = 0.0
        self.asked: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/repo"


class Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        bodies = {PATH: self.server.body, PATH + ".sha1": self.server.digest.encode()}
        if self.path not in bodies:
            self.send_error(404)
            return
        body = bodies[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == PATH:
            self.wfile.write(body[:1000])
            self.wfile.flush()
            time.sleep(self.server.wait_s)
            body = body[1000 : self.server.break_after]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path, monkeypatch) -> Iterator[Repository]:
    """The repository, named by the setting, with an empty cache folder."""
    for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    with Repository() as repository:
        threading.Thread(target=repository.serve_forever, daemon=True).start()
        monkeypatch.setenv("STOCKSTREAM_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("STOCKSTREAM_MAVEN", repository.url)
        yield repository
        repository.shutdown()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def downloads(told) -> Downloads:
    return Downloads(Lines(told.append), threading.Event())


def leftovers() -> list[Path]:
    return [path for path in cache_directory().rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_the_first_use_downloads_and_unpacks_and_the_second_asks_nobody(served, downloads, told):
    """The archive is unpacked, removed, and never asked for again; progress is told in plain lines."""
    home = downloads.apicurio()
    asked = dict(served.asked)

    assert 300_000 == (home / "quarkus-run.jar").stat().st_size
    assert home == downloads.apicurio()
    assert {PATH: 1, PATH + ".sha1": 1} == asked == served.asked
    assert [home / "quarkus-run.jar"] == leftovers()
    assert told[0].startswith(f"Apicurio {APICURIO}: downloading")
    assert told[-1].endswith("done")


def test_a_connection_that_breaks_is_tried_again_then_told_and_leaves_nothing(served, downloads):
    """Half a file never stands under the file's name."""
    served.break_after = 5000
    with pytest.raises(StackError, match=r"did not come whole.*5000") as caught:
        downloads.apicurio()

    assert 3 == served.asked[PATH]
    assert "STOCKSTREAM_MAVEN" in caught.value.remedy
    assert [] == leftovers()

    served.break_after = None
    assert downloads.apicurio().exists()


def test_bytes_that_do_not_match_their_digest_are_refused(served, downloads):
    """A proxy's error page or a damaged file does not become a part of the stack."""
    served.digest = "0" * 40
    with pytest.raises(StackError, match="SHA-1"):
        downloads.apicurio()

    assert [] == leftovers()


def test_a_repository_that_is_not_there_is_named_with_what_to_do(served, downloads, monkeypatch):
    """No reach: the address, why, and the settings for proxies, mirrors and authorities."""
    monkeypatch.setenv("STOCKSTREAM_MAVEN", "http://127.0.0.1:1/repo")
    with pytest.raises(StackError, match=r"127\.0\.0\.1:1/repo.*refused") as caught:
        downloads.apicurio()

    assert all(word in caught.value.remedy for word in ("HTTPS_PROXY", "settings.xml", "REQUESTS_CA_BUNDLE"))


def test_a_file_the_repository_lacks_is_told_at_once(served, downloads, monkeypatch):
    """A 404 is not tried again: a mirror that does not carry the file will not carry it in a second."""
    monkeypatch.setenv("STOCKSTREAM_MAVEN", served.url.replace("/repo", "/elsewhere"))
    with pytest.raises(StackError, match="404"):
        downloads.apicurio()

    assert 1 == sum(served.asked.values())


def test_two_starts_at_once_download_once(served, downloads):
    """The second waits for the first and takes what it got."""
    served.wait_s = 0.3
    with ThreadPoolExecutor(2) as pool:
        homes = set(pool.map(lambda _: downloads.apicurio(), range(2)))

    assert 1 == len(homes)
    assert 1 == served.asked[PATH]


def test_a_download_killed_half_way_leaves_a_cache_that_works(served, downloads):
    """SIGKILL during a download: the lock is free, the part is swept away, the next start succeeds."""
    served.wait_s = 60.0
    code = (
        "import threading\nfrom local.downloads import Downloads\nfrom local.progress import Lines\n"
        "Downloads(Lines(), threading.Event()).apicurio()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    first = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not leftovers() and time.monotonic() < end:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert leftovers()
    assert ".part-" in leftovers()[0].name

    served.wait_s = 0.0
    home = downloads.apicurio()

    assert [home / "quarkus-run.jar"] == leftovers()


def test_a_download_can_be_broken_off(served, downloads):
    """Ctrl-C during a long download ends it between two blocks."""
    served.wait_s = 1.0
    threading.Timer(0.3, downloads.cancelled.set).start()
    with pytest.raises(StackError, match="broken off"):
        downloads.apicurio()

    assert [] == leftovers()


def test_a_disk_without_room_is_told_before_the_download(tmp_path):
    """What is needed, where, and what is free; a folder yet to be made is measured by its parent."""
    with pytest.raises(StackError, match=r"needs 1000000000000 MB at .* are free") as caught:
        need_room(tmp_path / "not" / "yet", 10**18, "Kafka", "Free some space.")

    assert "Free some space." == caught.value.remedy


def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch, downloads):
    """A file where the folder should be: the error names the folder and the setting."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STOCKSTREAM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StackError, match="cannot be written") as caught:
        downloads.kafka()

    assert "STOCKSTREAM_CACHE" in caught.value.remedy


@pytest.mark.parametrize(
    ("mirror_of", "taken"),
    [
        ("central", True),
        ("*", True),
        ("external:*", True),
        ("snapshots,central", True),
        ("*,!central", False),
        ("x", False),
    ],
)
def test_the_mirror_of_the_users_maven_settings_is_taken(tmp_path, mirror_of, taken):
    """settings.xml is read as Maven reads it: the first mirror that covers central."""
    settings = tmp_path / "settings.xml"
    settings.write_text(
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors><mirror><id>m</id>'
        f"<mirrorOf>{mirror_of}</mirrorOf><url>http://mirror.example/maven/</url></mirror></mirrors></settings>"
    )

    assert ("http://mirror.example/maven" if taken else None) == mirror({}, settings)
    assert "http://own.example" == mirror({"STOCKSTREAM_MAVEN": "http://own.example/"}, settings)


def test_no_settings_mean_the_default_and_broken_ones_an_error(tmp_path):
    """A settings.xml that is not XML is not passed over in silence."""
    (tmp_path / "broken.xml").write_text("<settings>")

    assert mirror({}, tmp_path / "none.xml") is None
    with pytest.raises(StackError, match="is not XML"):
        mirror({}, tmp_path / "broken.xml")


def test_the_cache_folder_follows_the_users_settings(monkeypatch, tmp_path):
    """STOCKSTREAM_CACHE wins over XDG_CACHE_HOME, which wins over ~/.cache."""
    monkeypatch.delenv("STOCKSTREAM_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert Path("/home/someone/.cache/stockstream") == cache_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert Path("/xdg/stockstream") == cache_directory()
    monkeypatch.setenv("STOCKSTREAM_CACHE", str(tmp_path))
    assert tmp_path == cache_directory()
