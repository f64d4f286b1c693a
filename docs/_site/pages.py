"""MkDocs hooks: the repository's own pages as a site, so that a link that works in a checkout works in the site too.

README.md becomes the first page. A file or folder outside docs/ that some page links to becomes a page under source/:
Markdown as it is, anything else as a listing. Nothing is copied by hand, and no repository host need be known.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).resolve().parents[2]
LINK: Final = re.compile(r"(\]\()(?![a-z][a-z0-9+.-]*:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
FENCE: Final = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
LANGUAGES: Final = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".avsc": "json",
    ".json": "json",
    ".lua": "lua",
    ".java": "java",
    ".js": "javascript",
    ".toml": "toml",
    ".xml": "xml",
}
FOLDED: Final = {"Runbooks": "runbooks", "Decisions": "decisions"}
"""Sections that hold every page of a folder of docs/."""
MOST_BYTES: Final = 400_000


def on_config(config: Any) -> Any:
    """Fill the sections of folders, and put pages that stand nowhere under "More"."""
    docs = ROOT / "docs"
    for section in _sections(config.nav):
        for name, folder in FOLDED.items():
            if name in section:
                section[name] = [p.relative_to(docs).as_posix() for p in sorted((docs / folder).glob("*.md"))]
                if name == "Decisions":
                    section[name].insert(0, {"All of them": "decisions/index.md"})
    config.nav[:] = _filled(config.nav)
    placed = set(_pages(config.nav))
    folded = tuple(f"{folder}/" for folder in FOLDED.values())
    stray = [p.relative_to(docs).as_posix() for p in sorted(docs.rglob("*.md")) if "_site" not in p.parts]
    if more := [page for page in stray if page not in placed and not page.startswith(folded)]:
        config.nav.append({"More": more})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that come from outside docs/: the README, and whatever is linked to, page after page."""
    waiting, seen = ["README.md", *(f"docs/{file.src_uri}" for file in files.documentation_pages())], set[str]()
    waiting += [_origin(page) for page in _pages(config.nav)]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        content = _content(path)
        if content is None:
            continue
        uri = page_of(path)
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, content=content))
        if path.endswith(".md"):
            waiting += _targets(path, content)
        elif (ROOT / path).is_dir():
            waiting += [entry.relative_to(ROOT).as_posix() for entry in _entries(ROOT / path)]
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point each link at the page that its target has become; a target that does not exist stays, and fails the build."""
    path = _origin(page.file.src_uri)
    if not path.endswith(".md"):
        return markdown
    at = posixpath.dirname(page.file.src_uri)

    def point(match: re.Match[str]) -> str:
        target = _resolve(path, match[2])
        if target is None or not (ROOT / target).exists():
            return match[0]
        return f"{match[1]}{posixpath.relpath(page_of(target), at or '.')}{match[3] or ''}"

    return _outside_fences(markdown, lambda text: LINK.sub(point, text))


def page_of(path: str) -> str:
    """The site's page of a file or folder of the repository."""
    if path == "README.md":
        return "index.md"
    folder = (ROOT / path).is_dir()
    if path.startswith("docs/"):
        path = path.removeprefix("docs/")
        return f"{path.rstrip('/')}/index.md" if folder else path
    if folder:
        return f"source/{path.rstrip('/')}/contents.md"
    return f"source/{path}" if path.endswith(".md") else f"source/{path}.md"


def _origin(uri: str) -> str:
    """The file of the repository that a page is made of; the reverse of `page_of`."""
    if uri == "index.md":
        return "README.md"
    if not uri.startswith("source/"):
        folder = posixpath.dirname(uri)
        return (
            f"docs/{folder}" if uri == f"{folder}/index.md" and not (ROOT / "docs" / uri).is_file() else f"docs/{uri}"
        )
    path = uri.removeprefix("source/")
    if path.endswith("/contents.md"):
        return posixpath.dirname(path)
    return path if (ROOT / path).is_file() else path.removesuffix(".md")


def _content(path: str) -> str | None:
    """A page's Markdown: as it is, or a listing of a file or of a folder; None where there is nothing to show."""
    place = ROOT / path
    if place.is_dir():
        lines = [f"- [{_title(entry)}]({_from(path, entry)})" for entry in _entries(place)]
        return f"# {path.rstrip('/')}\n\n" + "\n".join(lines) + "\n"
    if not _shown(place):
        return None
    text = place.read_text()
    if place.suffix == ".md":
        return text
    longest = max((len(run) for run in re.findall(r"`+", text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"# {path}\n\n{fence}{LANGUAGES.get(place.suffix, 'text')}\n{text.rstrip()}\n{fence}\n"


def _entries(folder: Path) -> list[Path]:
    """Files of a folder that make pages; one level, for what is deeper is linked by name where it matters."""
    return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith((".", "_")) and _shown(entry)]


def _shown(place: Path) -> bool:
    if not place.is_file() or place.stat().st_size > MOST_BYTES:
        return False
    try:
        place.read_text()
    except UnicodeDecodeError:
        return False
    return True


def _title(place: Path) -> str:
    if place.suffix == ".md":
        first = place.read_text().splitlines()[:1]
        if first and first[0].startswith("# "):
            return first[0][2:]
    return place.name


def _from(folder: str, entry: Path) -> str:
    target = page_of(entry.relative_to(ROOT).as_posix())
    return posixpath.relpath(target, posixpath.dirname(page_of(folder)))


def _targets(path: str, markdown: str) -> Iterator[str]:
    """Files and folders of the repository that a page links to."""
    for match in LINK.finditer(FENCE.sub("", markdown)):
        target = _resolve(path, match[2])
        if target is not None and (ROOT / target).exists():
            yield target


def _resolve(path: str, link: str) -> str | None:
    """The path in the repository that a link of a page means; None where it leads out of it."""
    if link.startswith("/"):
        return None
    target = posixpath.normpath(posixpath.join(str(PurePosixPath(path).parent), link))
    return None if target.startswith("..") else target


def _outside_fences(markdown: str, change: Any) -> str:
    return "".join(part if part.startswith("```") else change(part) for part in FENCE.split(markdown))


def _sections(nav: list[Any]) -> Iterator[dict[str, Any]]:
    for entry in nav:
        if isinstance(entry, dict):
            yield entry
            for value in entry.values():
                if isinstance(value, list):
                    yield from _sections(value)


def _filled(nav: list[Any]) -> list[Any]:
    """The same without sections that have no page yet."""
    kept = []
    for entry in nav:
        if isinstance(entry, dict):
            ((name, value),) = entry.items()
            if isinstance(value, list):
                value = _filled(value)
                if not value:
                    continue
            elif not _exists(value):
                continue
            kept.append({name: value})
        elif _exists(entry):
            kept.append(entry)
    return kept


def _exists(uri: str) -> bool:
    return uri == "decisions/index.md" or (ROOT / _origin(uri)).exists()


def _pages(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        if isinstance(entry, dict):
            for value in entry.values():
                yield from _pages(value if isinstance(value, list) else [value])
        else:
            yield entry
