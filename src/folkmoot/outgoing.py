"""Requests to URLs that strangers chose: where they may go, and how long they may take.

Whoever may subscribe can name any URL, and the server stands where its caller does not: beside databases, metadata
services and other people's programs (server-side request forgery). So each address is judged at the moment that it is
dialled, and it is the judged address that is dialled: a name that means something else a second time gains nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from folkmoot.refusals import UrlRefused

if TYPE_CHECKING:
    import httpcore

MAX_URL: Final = 2048  # characters of one that a client names
MAX_ANSWER: Final = 64 * 1024  # bytes of an answer that are read; what is beyond them is left
# Bytes of an answer as it comes, with its head, the interim answers (1xx) before it and the frames of its chunks. These
# cost far more to parse than to send; so little is read at once that others have their turn between.
MAX_WIRE: Final = 2 * MAX_ANSWER
READ_AT_ONCE: Final = 4096
CONNECT_SECONDS: Final = 4.0  # for one address of a host, so that a second one still has its turn
HOSTS: Final = 256  # hosts to which connections are kept
CONNECTIONS: Final = 100  # to one host at a time
KEPT: Final = 4  # idle connections to one host
IDLE_SECONDS: Final = 30.0
RESOLVERS: Final = 16  # threads; a name server that does not answer holds one of them for as long as it likes

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_Answer = tuple[int, str, bytes, str | None]  # status, content type, body, Retry-After
# (host, port) → the host's addresses, in the order in which to try them. Raises OSError.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Judge = Callable[[Address], bool]

# URLs as RFC 3986 has them: no spaces, controls or letters beyond ASCII, which parsers read in different ways.
_URL = re.compile(r"https?://[!-\[\]-~]+", re.IGNORECASE | re.ASCII)
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
# Global by their numbers, and yet roads to somewhere else (RFC 4380, RFC 7526) or to nowhere (RFC 9637).
_ROADS_6 = tuple(map(IPv6Network, ("2001::/23", "2002::/16", "3fff::/20")))
# The same of IPv4 (RFC 7526), and what Python calls global although RFC 6890 does not; a cloud has its metadata there.
_ROADS_4 = tuple(map(IPv4Network, ("192.88.99.0/24", "192.0.0.0/24")))
# What a developer's own machine and the containers on it have.
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_PRIVATE_6 = (IPv6Network("fc00::/7"),)
_NEAR = (IPv4Network("127.0.0.0/8"), *_PRIVATE)
_NEAR_6 = (IPv6Network("::1/128"), *_PRIVATE_6)
_METADATA_6 = IPv6Network("fd00:ec2::/32")


class Reply(NamedTuple):
    """An answer: at most `MAX_ANSWER` bytes of its body, and how long it took from the first step to the last byte.

    `retry_after` is the header of that name as it came.
    """

    status: int
    content_type: str
    body: bytes
    milliseconds: int
    retry_after: str | None = None


class Unanswered(Exception):
    """There is no answer; `reason` says why, without anything of the URL but its host."""

    def __init__(self, reason: str) -> None:
        """`reason`: a clause for people, such as "the connection was refused"."""
        self.reason = reason
        super().__init__(reason)


class Late(Unanswered):
    """There is no answer in time."""


def private_network(text: str) -> Network:
    """A network such as 10.20.0.0/16, for `Outgoing`. Raises `ValueError` with the reason.

    It must lie within the private networks (RFC 1918, RFC 4193): loopback and link-local addresses, where this machine
    and clouds have what trusts every caller, are for nobody.
    """
    network = ip_network(text.strip())
    private: Sequence[Network] = _PRIVATE if network.version == 4 else _PRIVATE_6
    within = any(isinstance(network, type(each)) and network.subnet_of(each) for each in private)  # type: ignore[arg-type]
    if not within:
        raise ValueError("it is no part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fc00::/7")
    return network


def may_be_dialled(address: Address, *, development: bool, networks: Sequence[Network] = ()) -> bool:
    """Whether an address is of the public Internet or of `networks`, or in development of this machine's neighbours.

    Link-local addresses, where clouds keep their metadata, never are, nor are IPv6 addresses that stand for an IPv4
    address by a mapping or a tunnel. NAT64 (RFC 6052) is judged by the address inside, since networks that have only
    IPv6 know the others by it.
    """
    if any(address in network for network in networks):
        return address not in _METADATA_6
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return may_be_dialled(IPv4Address(int(address) & 0xFFFFFFFF), development=False)
        if development and any(address in near for near in _NEAR_6):
            return address not in _METADATA_6
        # RFC 5214 §6.1: the interface identifier of ISATAP holds an IPv4 address.
        tunnelled = (int(address) >> 32) & 0xFDFFFFFF == 0x5EFE
        strange = tunnelled or any(address in road for road in _ROADS_6)
        return address in _UNICAST and address.is_global and not strange
    if development and any(address in near for near in _NEAR):
        return True
    return address.is_global and not address.is_multicast and not any(address in road for road in _ROADS_4)


class Outgoing:
    """Sends POST requests to other people's URLs. For one event loop."""

    def __init__(
        self,
        *,
        development: bool,
        resolve: Resolve | None = None,
        trusted: ssl.SSLContext | None = None,
        networks: Sequence[Network] = (),
    ) -> None:
        """`development`: plain HTTP, loopback and private addresses may be reached. `trusted`: whose certificates are
        believed; without it those that the system trusts. `networks`: private ones that may be reached, too."""
        self._may_be_dialled = partial(may_be_dialled, development=development, networks=tuple(networks))
        self._development = development
        self._threads = ThreadPoolExecutor(RESOLVERS, "resolve")
        self._resolve = resolve or self._resolved
        self._trusted = trusted
        # By scheme, host and port; the one used last stands last.
        self._pools: OrderedDict[tuple[str, str, int], tuple[float, httpcore.AsyncConnectionPool]] = OrderedDict()

    def check(self, url: str) -> None:
        """Refuse a URL that could never be reached (`UrlRefused`). What its host's name means is not asked yet."""
        # Not asked when it is sent to: what a handshake adds makes one that is as long as it may be longer.
        if len(url) > MAX_URL:
            raise UrlRefused(f"The URL is longer than {MAX_URL} characters.")
        self._parts(url)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], *, seconds: float) -> Reply:
        """Send `content`; the answer, of whatever status. Redirects are answers, too. It may arrive twice.

        `seconds` is for the whole of it: looking up the name, connecting, sending and the last byte of the answer.
        Raises `Late` when there is no answer by then, and `Unanswered` also where the URL or an address of its host is
        refused.
        """
        try:
            parts = self._parts(url)
        except UrlRefused as refusal:
            raise Unanswered(refusal.message) from refusal
        if "httpcore" not in sys.modules:
            # It loads slowly, and most servers notify nobody.
            await asyncio.to_thread(import_module, "httpcore")
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                status, content_type, body, retry_after = await self._exchange(parts, content, headers)
        except TimeoutError as error:
            raise Late(f"there was no complete answer within {seconds:g} seconds") from error
        return Reply(status, content_type, body, round((time.monotonic() - began) * 1000), retry_after)

    async def close(self) -> None:
        """Close the connections that are kept."""
        while self._pools:
            _, (_, pool) = self._pools.popitem()
            await pool.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _parts(self, url: str) -> SplitResult:
        try:
            if not _URL.fullmatch(url):
                raise ValueError
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UrlRefused("This is not an absolute https URL, written in ASCII.") from error
        if not host or "%" in host:
            raise UrlRefused("The URL does not name a host.")
        if parts.scheme != "https" and not self._development:
            raise UrlRefused("The URL must begin with https.")
        if "@" in parts.netloc:
            raise UrlRefused("The URL must not hold a user name or a password.")
        if "#" in url:
            raise UrlRefused("The URL must not have a fragment (#).")
        # Below 1024 are protocols that could take a request for one of their own.
        usual = (443, 80) if self._development else (443,)
        if port is not None and port not in usual and port < 1024:
            raise UrlRefused(f"Port {port} may not be notified; take 443, or one from 1024 on.")
        try:
            address = ip_address(host)
        except ValueError:
            return parts
        if not self._may_be_dialled(address):
            raise UrlRefused("The URL's address is not one of the public Internet.")
        return parts

    async def _exchange(self, parts: SplitResult, content: bytes, headers: Mapping[str, str]) -> _Answer:
        import httpcore

        pool = await self._pool(parts)
        url = httpcore.URL(
            scheme=parts.scheme.encode(),
            host=(parts.hostname or "").encode(),
            port=parts.port,
            target=((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode(),
        )
        # RFC 9110 §7.2; the host of the URL is without the brackets of an IPv6 address.
        sent = [(b"Host", parts.netloc.encode())]
        sent += [(name.encode(), value.encode()) for name, value in headers.items()]
        while True:
            with contextlib.suppress(_Stale):
                return await _sent(pool, url, sent, content)

    async def _pool(self, parts: SplitResult) -> httpcore.AsyncConnectionPool:
        """The connections to a host. A pool for each, since a pool looks at all its connections with each request."""
        import httpcore

        if self._trusted is None and parts.scheme == "https":
            self._trusted = await asyncio.to_thread(ssl.create_default_context)
        key = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        now = time.monotonic()
        _, pool = self._pools.pop(key, (now, None))
        if pool is None:
            # Straight there: no proxy that the environment names would dial what was judged. No cookies are kept.
            pool = httpcore.AsyncConnectionPool(
                ssl_context=self._trusted,
                max_connections=CONNECTIONS,
                max_keepalive_connections=KEPT,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=_dialling(self._resolve, self._may_be_dialled),
            )
        self._pools[key] = now, pool
        await self._sweep(now)
        return pool

    async def _sweep(self, now: float) -> None:
        """Close connections to hosts that nothing was sent to for long, or beyond `HOSTS`."""
        for key, kept in list(self._pools.items())[:2]:
            used, pool = kept
            # While one was closed, somebody may have closed the other, or sent something by it.
            if self._pools.get(key) is not kept:
                continue
            if now - used < 2 * IDLE_SECONDS and len(self._pools) <= HOSTS:
                return
            if any(not connection.is_idle() for connection in pool.connections):
                continue
            del self._pools[key]
            await pool.aclose()

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(each[4][0]) for each in found]


class _Stale(Exception):
    """A connection that was kept ended just as it was used again: that says nothing of the endpoint."""


async def _sent(
    pool: httpcore.AsyncConnectionPool, url: httpcore.URL, headers: list[tuple[bytes, bytes]], content: bytes
) -> _Answer:
    import httpcore

    dialled = False

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        nonlocal dialled
        dialled = dialled or event == "connection.connect_tcp.started"

    try:
        async with pool.stream("POST", url, headers=headers, content=content, extensions={"trace": trace}) as got:
            body = bytearray()
            async for part in got.aiter_stream():
                body += part
                if len(body) >= MAX_ANSWER:
                    break
            found = {name.lower(): value.decode("latin-1") for name, value in reversed(got.headers)}
            kind, later = found.get(b"content-type", ""), found.get(b"retry-after")
            return got.status, kind, bytes(body[:MAX_ANSWER]), later
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
        if not dialled:
            raise _Stale from error
        raise Unanswered(_why(error)) from error
    except (httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise Unanswered(_why(error)) from error


def _why(error: Exception) -> str:
    """A failure of the network in words, without the addresses that the system's own words hold."""
    import httpcore

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout)):
        return "it cannot be connected to"
    if isinstance(error, httpcore.ProtocolError):
        return "it does not speak HTTP, or ended the connection without an answer"
    return "the connection broke"


def _dialling(resolve: Resolve, may_be_dialled: Judge) -> httpcore.AsyncNetworkBackend:
    """How the connections of a pool are made: to an address that was judged, whatever the host is called.

    TLS goes on to name the host, and its certificate has to bear that name.
    """
    import httpcore

    class Bounded(httpcore.AsyncNetworkStream):
        """A connection of which no more is read than an answer may have, and little at once."""

        def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
            self._stream = stream
            self._came = 0

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            if self._came > MAX_WIRE:
                raise Unanswered("its answer is too long")
            data = await self._stream.read(min(max_bytes, READ_AT_ONCE), timeout)
            self._came += len(data)
            return data

        async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
            self._came = 0  # another request
            await self._stream.write(buffer, timeout)

        async def aclose(self) -> None:
            await self._stream.aclose()

        async def start_tls(
            self,
            ssl_context: ssl.SSLContext,
            server_hostname: str | None = None,
            timeout: float | None = None,  # noqa: ASYNC109
        ) -> httpcore.AsyncNetworkStream:
            return Bounded(await self._stream.start_tls(ssl_context, server_hostname, timeout))

        def get_extra_info(self, info: str) -> Any:
            return self._stream.get_extra_info(info)

    class Dialling(httpcore.AsyncNetworkBackend):
        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
            local_address: str | None = None,
            socket_options: Any = None,
        ) -> httpcore.AsyncNetworkStream:
            addresses = await _judged(host, port, resolve, may_be_dialled)
            for address in addresses[:-1]:
                try:
                    return Bounded(await dial.connect_tcp(address, port, CONNECT_SECONDS))
                except (httpcore.ConnectError, httpcore.ConnectTimeout):
                    continue
            return Bounded(await dial.connect_tcp(addresses[-1], port, CONNECT_SECONDS))

    dial = httpcore.AnyIOBackend()
    return Dialling()


async def _judged(host: str, port: int, resolve: Resolve, may_be_dialled: Judge) -> Sequence[str]:
    """The addresses of a host. One that is refused spoils all of them: who mixes them means no good."""
    try:
        literal = ip_address(host.strip("[]"))
    except ValueError:
        pass
    else:
        addresses: Sequence[str] = [str(literal)]
        return _none_refused(addresses, may_be_dialled)
    try:
        addresses = await resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise Unanswered("its host's name cannot be resolved") from error
    return _none_refused(addresses, may_be_dialled)


def _none_refused(addresses: Sequence[str], may_be_dialled: Judge) -> Sequence[str]:
    if not addresses:
        raise Unanswered("its host's name cannot be resolved")
    if not all(may_be_dialled(ip_address(address)) for address in addresses):
        raise Unanswered("its host's address is not one of the public Internet")
    return addresses
