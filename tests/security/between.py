"""Servers that stand between a process and what it talks to: one asks for a password, one speaks TLS."""

import asyncio
import base64
import contextlib
import hmac
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.certificates import Authority

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AskingForAPassword(ThreadingHTTPServer):
    """In front of a registry: hands on what comes with the right basic authentication, refuses the rest with 401."""

    daemon_threads = True

    def __init__(self, behind: str, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Asking)
        self.behind = behind
        self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.refused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Asking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AskingForAPassword

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not hmac.compare_digest(self.headers.get("Authorization", ""), self.server.expected):
            self.server.refused += 1
            self._answer(401, b'{"error_code":401,"message":"who are you?"}', {"WWW-Authenticate": "Basic"})
            return
        kept = {name: self.headers[name] for name in ("Content-Type", "Accept") if name in self.headers}
        asked = urllib.request.Request(self.server.behind + self.path, body or None, kept, method=self.command)
        try:
            with _DIRECT.open(asked, timeout=20) as answer:
                self._answer(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"] or ""})
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.read(), {"Content-Type": error.headers["Content-Type"] or ""})

    do_GET = do_POST = do_PUT = do_DELETE = _hand_on  # noqa: N815 - the server looks for these names

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def asking_for_a_password(behind: str, user: str, password: str) -> Iterator[AskingForAPassword]:
    with AskingForAPassword(behind, user, password) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@contextlib.contextmanager
def speaking_tls(port: int, authority: Authority, *, mutual: bool = False) -> Iterator[int]:
    """A port at which TLS is spoken for a server that does not; its certificate is the authority's.

    With `mutual` only those who show a certificate of the same authority are heard.
    """
    loop, listening, found = asyncio.new_event_loop(), threading.Event(), list[int]()
    files = authority.issue(f"tls-{port}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.ca)

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))

    async def serve() -> None:
        server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=context)
        found.append(server.sockets[0].getsockname()[1])
        listening.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(lambda *_: None)  # connections end as the processes do
        loop.create_task(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not listening.wait(10):
        raise TimeoutError("waited 10 s for the TLS port")
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
