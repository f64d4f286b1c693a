"""Where files go and answers come from: a directory of this machine, or one on an SFTP server. Never half a file."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol, TypeVar

import asyncssh

from connectors.outbound.erp.adapter import Unanswered
from connectors.outbound.erp.routing import Sftp, System

T = TypeVar("T")
DONE, BAD = "done", "bad"
LARGEST: Final = 64_000_000


class Target(Protocol):
    """A place for files. Every method raises Unanswered where the place cannot be reached."""

    async def put(self, name: str, content: bytes) -> None:
        """Make a file visible under its name, whole; nothing happens where it is there already with this content."""

    async def answers(self) -> list[str]:
        """Names of acknowledgement files that wait."""

    async def read(self, name: str) -> bytes:
        """An acknowledgement file."""

    async def set_aside(self, name: str, folder: str) -> None:
        """Move an acknowledgement file to `done` or `bad` beside it."""


def target(system: System, connect_s: float, total_s: float) -> Target:
    """The place a system declares."""
    if system.sftp is None:
        return DirectoryTarget(Path(system.directory), Path(system.acknowledgements))
    return SftpTarget(system.sftp, system.directory, system.acknowledgements, connect_s, total_s)


class DirectoryTarget:
    """A directory of this machine: written beside, synced, renamed."""

    def __init__(self, directory: Path, acknowledgements: Path) -> None:
        self._directory, self._acknowledgements = directory, acknowledgements

    async def put(self, name: str, content: bytes) -> None:
        await self._do(self._put, name, content)

    def _put(self, name: str, content: bytes) -> None:
        write_whole(self._directory / name, content)

    async def answers(self) -> list[str]:
        return await self._do(self._answers)

    def _answers(self) -> list[str]:
        self._acknowledgements.mkdir(parents=True, exist_ok=True)
        return sorted(path.name for path in self._acknowledgements.glob("*.ack.csv") if path.is_file())

    async def read(self, name: str) -> bytes:
        return await self._do((self._acknowledgements / name).read_bytes)

    async def set_aside(self, name: str, folder: str) -> None:
        await self._do(self._set_aside, name, folder)

    def _set_aside(self, name: str, folder: str) -> None:
        (self._acknowledgements / folder).mkdir(exist_ok=True)
        (self._acknowledgements / name).replace(self._acknowledgements / folder / name)

    async def _do(self, what: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.to_thread(what, *args)
        except OSError as error:
            raise Unanswered(f"{self._directory}: {error}", taken=False) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there, also after a power cut; leave an equal one alone."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class SftpTarget:
    """A directory on an SFTP server; one connection, made again when it breaks."""

    def __init__(self, sftp: Sftp, directory: str, acknowledgements: str, connect_s: float, total_s: float) -> None:
        self._sftp, self._connect_s, self._total_s = sftp, connect_s, total_s
        self._directory, self._acknowledgements = PurePosixPath(directory), PurePosixPath(acknowledgements)

    async def put(self, name: str, content: bytes) -> None:
        async with self._session() as session:
            path, draft = str(self._directory / name), str(self._directory / f".{name}.part")
            await session.makedirs(str(self._directory), exist_ok=True)
            if await session.exists(path) and await _digest(session, path) == hashlib.sha256(content).digest():
                return
            async with session.open(draft, "wb") as file:
                await file.write(content)
                with suppress(asyncssh.SFTPOpUnsupported):
                    await file.fsync()
            await session.posix_rename(draft, path)

    async def answers(self) -> list[str]:
        async with self._session() as session:
            await session.makedirs(str(self._acknowledgements), exist_ok=True)
            names = await session.listdir(str(self._acknowledgements))
            return sorted(str(name) for name in names if str(name).endswith(".ack.csv"))

    async def read(self, name: str) -> bytes:
        async with self._session() as session, session.open(str(self._acknowledgements / name), "rb") as file:
            return _bytes(await file.read(LARGEST))

    async def set_aside(self, name: str, folder: str) -> None:
        async with self._session() as session:
            await session.makedirs(str(self._acknowledgements / folder), exist_ok=True)
            await session.posix_rename(str(self._acknowledgements / name), str(self._acknowledgements / folder / name))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """A connection for one errand: files are few, and a server forgets idle ones."""
        where = f"sftp://{self._sftp.host}:{self._sftp.port}"
        try:
            async with (
                asyncio.timeout(self._total_s),
                asyncssh.connect(
                    self._sftp.host,
                    self._sftp.port,
                    username=self._sftp.user,
                    known_hosts=self._sftp.known_hosts,
                    client_keys=[self._sftp.key_file] if self._sftp.key_file else None,
                    password=self._sftp.password,
                    connect_timeout=self._connect_s,
                    agent_path=None,
                    config=None,
                ) as connection,
                connection.start_sftp_client() as session,
            ):
                yield session
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise Unanswered(f"{where}: {type(error).__name__}: {error}", taken=False) from error


async def _digest(session: asyncssh.SFTPClient, path: str) -> bytes:
    async with session.open(path, "rb") as file:
        return hashlib.sha256(_bytes(await file.read(LARGEST))).digest()


def _bytes(content: str | bytes) -> bytes:
    """What a file opened for bytes gives; the library's types say it may be text."""
    return content.encode() if isinstance(content, str) else content
