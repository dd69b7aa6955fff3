"""Where requests to other people's URLs may go, whatever their names say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import pytest

from folkmoot.auth.certificates import ensure
from folkmoot.outgoing import MAX_ANSWER, MAX_URL, Outgoing, Reply, Unanswered, may_be_dialled, private_network
from folkmoot.refusals import UrlRefused

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
# This network, shared, link-local, metadata, documentation, relays, multicast, reserved; IPv4 addresses in disguise.
NOWHERE = """
0.0.0.0 0.1.2.3 100.64.0.1 100.100.100.200 169.254.169.254 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 224.0.0.1
239.1.1.1 240.0.0.1 255.255.255.255 :: fe80::1 fec0::1 ff02::1 ff0e::1 fd00:ec2::254 ::ffff:127.0.0.1 ::ffff:8.8.8.8
::127.0.0.1 2002:7f00:1:: 2002:808:808:: 2001:0:4136::1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808
2001:4860::5efe:7f00:1 2001:4860::200:5efe:7f00:1 2001:db8::1 3fff::1 100::1 4000::1
"""
JSON = {"Content-Type": "application/json"}


class Listener:
    """Answers each request with `answer`; keeps the heads of the requests and counts the connections."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.connections = 0
        self.port = 0
        self.open: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append((asyncio.current_task(), writer))
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.heads.append(head)
                await reader.readexactly(int(head.lower().split("content-length: ")[1].split("\r\n")[0]))
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(
    answer: bytes = OK, tls: ssl.SSLContext | None = None, kind: type[Listener] = Listener
) -> AsyncIterator[Listener]:
    listener = kind(answer)
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0, ssl=tls)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        for task, writer in listener.open:
            writer.transport.abort()
            if task is not None:
                await asyncio.wait([task])


def meaning(*answers: Sequence[str]) -> tuple[Callable[[str, int], Awaitable[Sequence[str]]], list[str]]:
    """A resolver that gives each of the answers in turn, and the names that it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        if len(asked) > len(answers):
            raise OSError("no such name")
        return answers[len(asked) - 1]

    return resolve, asked


async def refused(outgoing: Outgoing, url: str, seconds: float = 5) -> str:
    with pytest.raises(Unanswered) as caught:
        await outgoing.post(url, b"{}", JSON, seconds=seconds)
    return caught.value.reason


@asynccontextmanager
async def client(**given: Any) -> AsyncIterator[Outgoing]:
    outgoing = Outgoing(**given)
    try:
        yield outgoing
    finally:
        await outgoing.close()


@pytest.mark.parametrize(
    ("address", "production", "development"),
    [
        ("8.8.8.8", True, True),
        ("2606:4700::1111", True, True),
        ("64:ff9b::808:808", True, True),
        ("127.0.0.1", False, True),
        ("127.8.8.8", False, True),
        ("::1", False, True),
        ("10.1.2.3", False, True),
        ("172.31.0.1", False, True),
        ("192.168.0.1", False, True),
        ("fd12::1", False, True),
        *((address, False, False) for address in NOWHERE.split()),
    ],
)
def test_addresses_of_nobody_else_are_dialled(address: str, production: bool, development: bool) -> None:
    assert may_be_dialled(ip_address(address), development=False) is production
    assert may_be_dialled(ip_address(address), development=True) is development


def test_only_the_networks_that_an_operator_named_may_be_dialled_of_the_private_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        resolve, _ = meaning(["10.30.0.1"], ["10.20.0.1", "10.30.0.1"], ["127.0.0.1"], ["169.254.169.254"])
        async with client(development=False, resolve=resolve, networks=[private_network("10.20.0.0/16")]) as outgoing:
            for host in ("beside", "both", "loopback", "metadata"):
                reason = await refused(outgoing, f"https://{host}.example/")
                assert reason == "its host's address is not one of the public Internet"
            for url in ("https://10.30.0.1/", "https://[::1]/"):
                assert "public Internet" in await refused(outgoing, url)
        mine, _ = meaning(["10.20.0.1"])
        async with client(development=False, resolve=mine, networks=[private_network("10.20.0.0/16")]) as outgoing:
            for url in ("https://inside.example/", "https://10.20.0.2/"):
                assert await refused(outgoing, url) == "it cannot be connected to"
            assert "begin with https" in await refused(outgoing, "http://10.20.0.3/")

    dialled = []

    async def connect(_: object, address: str, *more: object) -> None:
        dialled.append(address)
        raise httpcore.ConnectError

    # Nothing of this leaves the machine.
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    asyncio.run(test())
    assert dialled == ["10.20.0.1", "10.20.0.2"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "begin with https"),
        ("ftp://hooks.example/", "absolute https URL"),
        ("/hooks", "absolute https URL"),
        ("https://", "absolute https URL"),
        ("https:///hooks", "does not name a host"),
        ("https://hooks.example /x", "absolute https URL"),
        ("https://hooks.example\n/x", "absolute https URL"),
        ("https://hooks.example\\@evil.example/", "absolute https URL"),
        ("https://hoоks.example/", "absolute https URL"),
        ("https://hooks.example:x/", "absolute https URL"),
        ("https://hooks.example:99999/", "absolute https URL"),
        ("https://[::1/", "absolute https URL"),
        ("https://user:secret@hooks.example/", "user name or a password"),
        ("https://@hooks.example/", "user name or a password"),
        ("https://hooks.example/#top", "fragment"),
        ("https://hooks.example:22/", "Port 22"),
        ("https://hooks.example:0/", "Port 0"),
        (f"https://hooks.example/{'x' * MAX_URL}", f"longer than {MAX_URL}"),
        ("https://[fe80::1%25eth0]/", "does not name a host"),
        ("https://127.0.0.1/", "public Internet"),
        ("https://[::ffff:169.254.169.254]/", "public Internet"),
    ],
)
def test_urls_that_could_be_read_in_two_ways_are_refused(url: str, why: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        Outgoing(development=False).check(url)
    assert why in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    ["https://hooks.example", "https://hooks.example:8443/a?b=c%20d", "HTTPS://Hooks.Example./", "https://8.8.8.8/"],
)
def test_others_are_not(url: str) -> None:
    Outgoing(development=False).check(url)
    Outgoing(development=True).check(url)


def test_development_reaches_this_machine_without_tls() -> None:
    async def check() -> None:
        async with listening() as listener, client(development=True) as outgoing:
            url = f"http://127.0.0.1:{listener.port}/hook?code=s%2Fecret"
            reply = await outgoing.post(url, b"{}", {"X-Own": "1", **JSON}, seconds=5)
            assert reply[:3] == Reply(200, "text/plain", b"ok", 0)[:3]
            head = listener.heads[0].split("\r\n")
            assert head[0] == "POST /hook?code=s%2Fecret HTTP/1.1"
            assert {f"Host: 127.0.0.1:{listener.port}", "X-Own: 1", "Content-Type: application/json"} <= set(head)
            assert "cookie" not in listener.heads[0].lower()

    asyncio.run(check())


def test_the_longest_url_leaves_room_for_the_token_of_a_handshake() -> None:
    async def check() -> None:
        async with listening() as listener, client(development=True) as outgoing:
            url = f"http://127.0.0.1:{listener.port}/hook?code="
            url += "x" * (MAX_URL - len(url))
            outgoing.check(url)
            asked = f"{url}&validationToken={'x' * 200}"
            assert (await outgoing.post(asked, b"", {}, seconds=5)).status == 200
            with pytest.raises(UrlRefused, match="longer than 2048"):
                outgoing.check(f"{url}x")

    asyncio.run(check())


def test_a_name_that_means_this_machine_is_not_dialled_in_production() -> None:
    async def check() -> None:
        async with listening() as listener:
            for address in ("127.0.0.1", "::ffff:127.0.0.1", "::1"):
                resolve, asked = meaning([address])
                async with client(development=False, resolve=resolve) as outgoing:
                    url = f"https://hooks.example:{listener.port}/"
                    outgoing.check(url)
                    assert await refused(outgoing, url) == "its host's address is not one of the public Internet"
                assert asked == ["hooks.example"]
            assert listener.connections == 0

    asyncio.run(check())


def test_one_private_address_among_public_ones_spoils_them() -> None:
    async def check() -> None:
        resolve, _ = meaning(["8.8.8.8", "10.0.0.1"])
        async with client(development=False, resolve=resolve) as outgoing:
            assert "public Internet" in await refused(outgoing, "https://hooks.example/")

    asyncio.run(check())


def test_the_address_that_was_judged_is_the_one_that_is_dialled() -> None:
    """DNS rebinding: a second look would find an address that is refused, and the connection must not take one."""

    async def check() -> None:
        async with listening() as listener:
            resolve, asked = meaning(["127.0.0.1"], ["169.254.169.254"])
            async with client(development=True, resolve=resolve) as outgoing:
                url = f"http://hooks.example:{listener.port}/"
                assert (await outgoing.post(url, b"{}", JSON, seconds=5)).status == 200
                assert asked == ["hooks.example"]
                assert f"Host: hooks.example:{listener.port}" in listener.heads[0]
                # Kept, and so not looked up again.
                assert (await outgoing.post(url, b"{}", JSON, seconds=5)).status == 200
                assert (asked, listener.connections) == (["hooks.example"], 1)
            resolve, asked = meaning(["169.254.169.254"], ["127.0.0.1"])
            async with client(development=True, resolve=resolve) as outgoing:
                assert "public Internet" in await refused(outgoing, url)
            assert (asked, listener.connections) == (["hooks.example"], 1)

    asyncio.run(check())


def test_a_second_address_is_tried_where_the_first_does_not_answer() -> None:
    async def check() -> None:
        async with listening() as listener:
            resolve, _ = meaning(["127.0.0.9", "127.0.0.1"])
            async with client(development=True, resolve=resolve) as outgoing:
                assert (await outgoing.post(f"http://a.example:{listener.port}/", b"", {}, seconds=5)).status == 200

    asyncio.run(check())


def test_redirects_are_answers() -> None:
    async def check() -> None:
        async with listening() as inner:
            where = f"Location: http://127.0.0.1:{inner.port}/\r\nRetry-After: 7"
            to = f"HTTP/1.1 302 Found\r\n{where}\r\nContent-Length: 0\r\n\r\n".encode()
            async with listening(to) as outer, client(development=True) as outgoing:
                reply = await outgoing.post(f"http://127.0.0.1:{outer.port}/", b"", {}, seconds=5)
                assert (reply.status, reply.retry_after) == (302, "7")
            assert inner.connections == 0

    asyncio.run(check())


def test_proxies_of_the_environment_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with listening() as proxy, listening() as listener, client(development=True) as outgoing:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert (await outgoing.post(f"http://127.0.0.1:{listener.port}/", b"", {}, seconds=5)).status == 200
            assert (proxy.connections, listener.connections) == (0, 1)

    asyncio.run(check())


def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    async def check() -> None:
        size = 50 * MAX_ANSWER
        answer = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
        async with listening(answer) as listener, client(development=True) as outgoing:
            url = f"http://127.0.0.1:{listener.port}/"
            for _ in range(2):
                assert (await outgoing.post(url, b"", {}, seconds=5)).body == b"x" * MAX_ANSWER
            assert listener.connections == 2

    asyncio.run(check())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10_000 + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 60_000 + b"0\r\n\r\n",
    ],
    ids=["interim answers", "chunks"],
)
def test_what_costs_more_to_read_than_to_send_is_not_read_for_long(answer: bytes) -> None:
    async def check() -> None:
        async with listening(answer) as listener, client(development=True) as outgoing:
            assert await refused(outgoing, f"http://127.0.0.1:{listener.port}/") == "its answer is too long"

    asyncio.run(check())


def test_some_interim_answers_are_passed_over() -> None:
    async def check() -> None:
        answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100 + OK
        async with listening(answer) as listener, client(development=True) as outgoing:
            for _ in range(50):
                assert (await outgoing.post(f"http://127.0.0.1:{listener.port}/", b"", {}, seconds=5)).status == 200
            assert listener.connections == 1

    asyncio.run(check())


def test_the_deadline_is_for_the_last_byte() -> None:
    async def check() -> None:
        begun = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"
        async with listening(begun) as listener, client(development=True) as outgoing:
            reason = await refused(outgoing, f"http://127.0.0.1:{listener.port}/", seconds=0.2)
            assert reason == "there was no complete answer within 0.2 seconds"

        async def never(host: str, port: int) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

        async with client(development=True, resolve=never) as outgoing:
            assert "within 0.1 seconds" in await refused(outgoing, "http://a.example/", seconds=0.1)

    asyncio.run(check())


def test_what_goes_wrong_is_said_without_the_secrets_of_the_url() -> None:
    async def check() -> None:
        async with listening(b"nonsense\r\n\r\n") as listener:
            resolve, _ = meaning()
            async with client(development=True, resolve=resolve) as outgoing:
                refusals = [
                    await refused(outgoing, f"http://127.0.0.1:{listener.port}/?code=secret"),
                    await refused(outgoing, "http://127.0.0.1:1024/?code=secret"),
                    await refused(outgoing, "http://nowhere.example/?code=secret"),
                    await refused(outgoing, "http://127.0.0.1:22/?code=secret"),
                ]
        assert refusals == [
            "it does not speak HTTP, or ended the connection without an answer",
            "the connection was refused",
            "its host's name cannot be resolved",
            "Port 22 may not be notified; take 443, or one from 1024 on.",
        ]

    asyncio.run(check())


def test_a_kept_connection_that_ended_is_no_failure() -> None:
    async def check() -> None:
        class Once(Listener):
            """Closes a connection when a second request comes by it, unanswered."""

            async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                self.connections += 1
                self.open.append((asyncio.current_task(), writer))
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer)
                with suppress(asyncio.IncompleteReadError):
                    await reader.readuntil(b"\r\n\r\n")
                writer.close()

        async with listening(kind=Once) as once, client(development=True) as outgoing:
            for _ in range(3):
                assert (await outgoing.post(f"http://127.0.0.1:{once.port}/", b"", {}, seconds=5)).status == 200
            assert once.connections == 3

    asyncio.run(check())


def test_two_that_tidy_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds the same old connections, and one of them closes them."""

    async def scene() -> None:
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(listening()) for _ in range(6)]
            outgoing = await stack.enter_async_context(client(development=True))
            urls = [f"http://127.0.0.1:{each.port}/" for each in listeners]
            for url in urls[:3]:
                await outgoing.post(url, b"{}", JSON, seconds=5)
            monkeypatch.setattr("folkmoot.outgoing.IDLE_SECONDS", 0)
            replies = await asyncio.gather(*(outgoing.post(url, b"{}", JSON, seconds=5) for url in urls[3:]))
            assert [reply.status for reply in replies] == [200] * 3

    asyncio.run(scene())


def test_certificates_are_verified_for_the_name(tmp_path: Path) -> None:
    async def check() -> None:
        made = ensure(tmp_path, ["hooks.example"])
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(made.certificate, made.key)
        names: list[str | None] = []
        tls.sni_callback = lambda socket, name, context: names.append(name)
        trusted = ssl.create_default_context(cafile=str(made.ca))

        async def here(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        async with listening(tls=tls) as listener:
            async with client(development=True, resolve=here, trusted=trusted) as outgoing:
                url = f"https://hooks.example:{listener.port}/"
                assert (await outgoing.post(url, b"", {}, seconds=5)).status == 200
                assert names == ["hooks.example"]
                other = await refused(outgoing, f"https://other.example:{listener.port}/")
                assert other.startswith("its certificate is not valid: Hostname mismatch")
            async with client(development=True, resolve=here) as outgoing:
                assert (await refused(outgoing, url)).startswith("its certificate is not valid")
            assert len(listener.heads) == 1

    asyncio.run(check())
