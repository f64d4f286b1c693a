"""Where a webhook may go: https, public addresses, and what the operator allows; a name is resolved and checked once.

The answer is the address to connect to: whoever rebinds the name afterwards changes nothing.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
DEFAULT_PORTS: Final = {"https": 443, "http": 80}
CLOUD_INTERNAL: Final = frozenset({ip_address("168.63.129.16"), ip_address("192.0.0.192")})
"""Services of clouds on addresses that look public (Azure's wire server, Oracle's metadata)."""
NAT64: Final = ip_network("64:ff9b::/96")
V4_COMPATIBLE: Final = ip_network("::/96")
UNICAST: Final = ip_network("2000::/3")
"""All IPv6 that is allocated to the public; outside are site-local, local NAT64, translated and segment routing."""
DOCUMENTATION: Final = ip_network("3fff::/20")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
NO_NAME: Final = re.compile(r"[\s\x00-\x1f\x7f]")


class Refused(Exception):
    """A receiver that must not be called; the message says why and what would allow it."""


class Target(NamedTuple):
    """A receiver's URL taken apart, with the addresses it may be reached at."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def url(self, address: str) -> str:
        """The URL at one of the addresses."""
        place = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{place}:{self.port}{self.path}"


async def from_dns(host: str, port: int) -> list[str]:
    """Addresses of a name as the system resolves it; raise OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Addresses:
    """The operator's rules. `allow` holds host names and networks, comma separated."""

    def __init__(self, allow: str = "", *, allow_http: bool = False, resolve: Resolver = from_dns) -> None:
        self._schemes = {"https", "http"} if allow_http else {"https"}
        self._resolve = resolve
        self._hosts: set[str] = set()
        self._networks = []
        for part in filter(None, (text.strip() for text in allow.split(","))):
            try:
                self._networks.append(ip_network(part))
            except ValueError:
                self._hosts.add(_name(part))

    def parts(self, url: str) -> Target:
        """Take a URL apart without asking anybody; raise Refused for one that could never be called."""
        if "@" in url.partition("?")[0].partition("#")[0].partition("//")[2].partition("/")[0]:
            raise Refused("give no user or password in the URL")
        shown = "the URL" if "@" in url else repr(url)[1:-1]  # what stands before an @ may be a password, even so
        try:
            split = urlsplit(url)
            port = split.port or DEFAULT_PORTS.get(split.scheme, 0)
        except ValueError as error:
            raise Refused(f"{shown}: not a URL: {error}") from None
        if split.scheme not in self._schemes:
            known = " or ".join(sorted(self._schemes))
            raise Refused(f"{shown}: only {known} is allowed (STOCKSTREAM_COMMERCE_ALLOW_HTTP)")
        if not split.hostname:
            raise Refused(f"{shown}: give a host")
        if CONTROL.search(url):
            raise Refused(f"{shown}: has a control character")
        path = (split.path or "/") + (f"?{split.query}" if split.query else "")
        return Target(split.scheme, _name(split.hostname), port, path, ())

    async def target(self, url: str) -> Target:
        """Resolve and check; raise Refused, or OSError when the name cannot be resolved."""
        target = self.parts(url)
        found = await self._resolve(target.host, target.port)
        if not found:
            raise OSError(f"{target.host} has no address")
        if target.host not in self._hosts:
            for text in found:
                reason = self._objection(ip_address(text.partition("%")[0]))
                if reason:
                    raise Refused(
                        f"{target.host} is at {text}, {reason}; STOCKSTREAM_COMMERCE_ALLOW names receivers on premise"
                    )
        return target._replace(addresses=tuple(found))

    def _objection(self, address: Address) -> str:
        """Why an address may not be called; empty when it may."""
        if any(address in network for network in self._networks):
            return ""
        inner = _embedded(address)
        if inner is not None:
            return self._objection(inner)
        if address.is_loopback:
            return "a loopback address"
        if address.is_link_local or address in CLOUD_INTERNAL:
            return "a link-local or metadata address"
        if address.is_multicast:
            return "a multicast address"
        public = address.is_global if address.version == 4 else _public(address)
        return "" if public else "an address that is not public"


def _name(host: str) -> str:
    """A host's name as DNS and certificates have it; raise Refused for one that cannot be asked for."""
    try:
        name = host.lower().encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not name or NO_NAME.search(name):
        raise Refused(f"{host!r} is no name of a host: labels have 1 to 63 characters and no space")
    return name


def _public(address: IPv6Address) -> bool:
    """Python's table knows what was registered when it was made."""
    return address in UNICAST and address not in DOCUMENTATION and address.is_global


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, Teredo, NAT64 or compatible."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in NAT64 or (address in V4_COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
