"""Where webhooks may go: the rule for their URLs, and a network that connects to checked addresses only.

A name is looked up once for each connection, all its addresses are checked, and the connection goes to one of these
and not to the name: what a second look-up would say is of no interest. TLS still verifies the name.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote

import httpcore2
import idna

LONGEST_URL = 512
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535
_MOST_ADDRESSES = 8
"""Of one name; more are not tried."""
# What some reader could take for the end of the URL or of a line, and halves of characters.
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\\]")
_KEPT = "/?:@!$&'()*+,;=%[]"
"""Characters that mean something in paths and queries (RFC 3986, section 2.2); the `%` begins what is encoded."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.ASCII)
# Every reader that takes more than four plain decimals for an address begins by such a last label.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_NEVER_PUBLIC = (".localhost", ".local", ".internal")
"""Names kept for the inside (RFC 6761, RFC 6762, ICANN 2024)."""

# IANA's registries of special-purpose addresses. Written out here, as Python's own `is_global` differs between patch
# releases, and takes multicast and the last line for public.
# fmt: off
_INWARD_4 = tuple(map(IPv4Network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
    "168.63.129.16/32",  # the host agent of Azure's machines, inside each of them
)))
_INWARD_6 = tuple(map(IPv6Network, (
    "2001::/23",      # protocol assignments: Teredo, ORCHID, benchmarking
    "2001:db8::/32", "3fff::/20",  # documentation
    "2002::/16",      # 6to4, retired (RFC 7526): holds an IPv4 address
)))
# fmt: on
_UNICAST_6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, best first; OSError if there are none."""


class UnsafeAddressError(ValueError):
    """It leads inside: to this machine, its network, or nowhere in public."""

    def __init__(self) -> None:
        super().__init__("must not lead to a private, local or reserved address")


class UnresolvedError(Exception):
    """The name has no address, or nobody could say so."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart once, so that no second parser can read it differently."""

    scheme: str
    host: str
    """A name in lower-case ASCII or an address, without brackets."""
    port: int | None
    """None for the scheme's own."""
    path: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """Host and port as the URL and the Host header write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL in canonical form."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_url(text: str, *, allow_private: bool) -> Target:
    """The target of a webhook; ValueError with a sentence if it can't be one, without quoting it.

    A name is not looked up here: what it leads to is checked when it is connected to.
    """
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not (scheme == "https" or (allow_private and scheme == "http")):
        raise ValueError("must be an https URL such as https://example.org/hooks")
    if _UNFIT.search(rest):
        raise ValueError("must hold no spaces, line ends, control characters or backslashes")
    if "#" in rest:
        raise ValueError("must have no fragment: nothing after a # would be sent")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("must have no user name or password: requests are signed instead")
    host, port = _split_authority(authority)
    path = rest[len(authority) :]
    target = Target(
        scheme,
        _canonical_host(host, allow_private=allow_private),
        _canonical_port(port, scheme),
        quote(path if path.startswith("/") else f"/{path}", safe=_KEPT),
    )
    if max(len(text), len(target.url)) > LONGEST_URL:
        raise ValueError(f"must be at most {LONGEST_URL} characters long")
    return target


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is an address of the public Internet, for one receiver, with nothing private in disguise."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _INWARD_4)
    if address in _NAT64:
        # How networks without IPv4 reach it (RFC 6052): what counts is where it comes out.
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    # All else beyond 2000::/3 is loopback, link-local, unique local, multicast, mapped or not given out.
    return address in _UNICAST_6 and not any(address in network for network in _INWARD_6)


def _split_authority(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, closed, rest = authority[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise _bad_host()
        return f"[{host}]", rest[1:]
    host, _, port = authority.partition(":")
    return host, port


def _canonical_port(text: str, scheme: str) -> int | None:
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) is None or not 0 < int(text) <= _LAST_PORT:
        raise ValueError(f"must have a port from 1 to {_LAST_PORT}, or none")
    return None if int(text) == _DEFAULT_PORTS[scheme] else int(text)


def _canonical_host(text: str, *, allow_private: bool) -> str:
    # First the spelling: full-width digits are digits, too.
    text = text if text.startswith("[") else _ascii_name(text)
    if text.startswith("[") or _NUMERIC.fullmatch(text):
        address = _address(text)
        if not allow_private and not is_public(address):
            raise UnsafeAddressError
        return str(address)
    if _NAME.fullmatch(text) is None:
        raise _bad_host()
    if not allow_private and (text == "localhost" or text.endswith(_NEVER_PUBLIC)):
        raise UnsafeAddressError
    if not allow_private and "." not in text:
        raise _bad_host()
    return text


def _ascii_name(text: str) -> str:
    try:
        return text.lower() if text.isascii() else idna.encode(text, uts46=True, std3_rules=True).decode().lower()
    except UnicodeError:
        raise _bad_host() from None


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = IPv6Address(text[1:-1]) if text.startswith("[") else IPv4Address(text)
    except ValueError:
        raise _bad_host() from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise _bad_host()
    return address


def _bad_host() -> ValueError:
    return ValueError("must have a full domain name such as example.org, or an IP address in its usual form")


class SystemResolver:
    """The machine's resolver, in threads of its own: slow names hold up no other look-up of this process."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses as getaddrinfo orders them."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        """Lets the threads end as soon as they are done."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """TCP connections to addresses that were checked; everything above it goes on speaking of the name."""

    def __init__(self, resolve: Resolve, *, allow_private: bool) -> None:
        self._resolve = resolve
        self._allow_private = allow_private
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connects; UnsafeAddressError, UnresolvedError, or httpcore's own ConnectError and ConnectTimeout."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._checked(host, port)
                share = None if timeout is None else timeout / len(addresses)
                for address in addresses[:-1]:
                    try:
                        return await self._network.connect_tcp(address, port, share, local_address, socket_options)
                    except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                        continue
                return await self._network.connect_tcp(addresses[-1], port, share, local_address, socket_options)
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        """The addresses to try, at least one. One that leads inside condemns the name, whatever else it has."""
        try:
            found: Sequence[str] = [str(ip_address(host))]
        except ValueError:
            try:
                found = await self._resolve(host, port)
            except (OSError, UnicodeError):
                raise UnresolvedError from None
        if not found:
            raise UnresolvedError
        if not self._allow_private and not all(is_public(ip_address(address)) for address in found):
            raise UnsafeAddressError
        return found[:_MOST_ADDRESSES]
