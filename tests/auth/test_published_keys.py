"""An outside issuer's keys: found, rotated, kept while it is away, and not asked for on a stranger's word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from folkmoot.auth.published import (
    MAX_DOCUMENT,
    UNKNOWN_SECONDS,
    NotPublished,
    PublishedKeys,
    fetch,
    parse_keys,
)
from folkmoot.auth.trust import Trust, may_be_fetched
from folkmoot.refusals import Busy

from .outside import AUDIENCE, DISCOVERY, ISSUER, JWKS, FakeIssuer, ec_key, public


class Bench:
    """The keys of one issuer, and a clock."""

    def __init__(self, **trust: Any) -> None:
        self.now = 1_800_000_000.0
        self.issuer = FakeIssuer()
        said = Trust(issuer=ISSUER, audience=(AUDIENCE,), **trust)
        self.keys = PublishedKeys(said, lambda: self.now, self.issuer.fetch, loopback_http=False)

    async def knows(self, kid: str) -> bool:
        return await self.keys.find(kid) is not None


def test_they_are_found_by_discovery_once() -> None:
    async def check() -> None:
        bench = Bench()
        assert await bench.knows("first")
        assert await bench.knows("first")
        assert bench.issuer.asked == [DISCOVERY, JWKS]

    asyncio.run(check())


def test_a_key_set_that_is_named_needs_no_discovery() -> None:
    async def check() -> None:
        bench = Bench(jwks_uri=JWKS)
        assert await bench.knows("first")
        assert bench.issuer.asked == [JWKS]

    asyncio.run(check())


def test_a_file_is_read_again_like_a_url(tmp_path: Path) -> None:
    async def check() -> None:
        file = tmp_path / "keys.json"
        file.write_bytes(public(ec_key("first")))
        bench = Bench(jwks_file=str(file))
        assert await bench.knows("first")
        file.write_bytes(public(ec_key("second")))
        assert await bench.knows("second")
        assert not await bench.knows("first")
        assert bench.issuer.asked == []

    asyncio.run(check())


def test_an_unknown_key_is_asked_for_once_in_a_while() -> None:
    async def check() -> None:
        bench = Bench()
        assert await bench.knows("first")
        bench.issuer.rotate("second")
        assert await bench.knows("second")
        assert not await bench.knows("first")
        # Strangers make up as many ids as they like.
        for number in range(100):
            assert not await bench.knows(f"made up {number}")
        assert bench.issuer.fetched == 2
        bench.issuer.rotate("third")
        bench.now += UNKNOWN_SECONDS - 1
        assert not await bench.knows("third")
        bench.now += 1
        assert await bench.knows("third")
        assert bench.issuer.fetched == 3

    asyncio.run(check())


def test_many_wait_for_one_fetch_and_one_may_go_away() -> None:
    async def check() -> None:
        bench = Bench()
        gate = asyncio.Event()
        answered = bench.issuer.fetch

        async def slow(url: str) -> bytes:
            await gate.wait()
            return await answered(url)

        bench.keys._fetch = slow
        waiting = [asyncio.create_task(bench.knows("first")) for _ in range(20)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert found[1:] == [True] * 19
        assert bench.issuer.fetched == 1

    asyncio.run(check())


def test_old_keys_are_fetched_again_while_nobody_waits() -> None:
    async def check() -> None:
        bench = Bench(refresh_seconds=600)
        assert await bench.knows("first")
        bench.issuer.keys.append(ec_key("second"))
        bench.now += 600
        assert await bench.knows("first")
        assert bench.keys._fetching is not None
        await bench.keys._fetching
        assert bench.issuer.fetched == 2
        assert await bench.knows("second")
        assert bench.issuer.fetched == 2

    asyncio.run(check())


def test_an_issuer_that_is_away_costs_nobody_the_known_keys(caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        bench = Bench(refresh_seconds=600)
        assert await bench.knows("first")
        bench.issuer.away = True
        for _ in range(5):
            bench.now += 700
            assert await bench.knows("first")
            assert not await bench.knows("second"), "who is not known is not let in because nobody can be asked"
        assert [record.getMessage().count("the known ones stay in use") for record in caplog.records] == [1]
        bench.issuer.away = False
        bench.now += 700
        assert await bench.knows("first")
        assert bench.keys._fetching is not None
        await bench.keys._fetching

    caplog.set_level(logging.INFO)
    asyncio.run(check())
    assert caplog.messages[-1] == f"the keys of issuer {ISSUER} were fetched"


def test_an_issuer_that_was_never_there_is_tried_again_soon(caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        bench = Bench()
        bench.issuer.away = True
        for _ in range(3):
            with pytest.raises(Busy, match="try again"):
                await bench.keys.find("first")
        assert bench.issuer.asked == [DISCOVERY]
        bench.now += 5
        bench.issuer.away = False
        assert await bench.knows("first")

    asyncio.run(check())
    assert "tokens are refused until they can be" in caplog.messages[0]


def test_a_clock_that_was_set_back_keeps_no_key_for_ever() -> None:
    async def check() -> None:
        bench = Bench(refresh_seconds=600)
        assert await bench.knows("first")
        bench.now -= 86_400
        bench.issuer.rotate("second")
        assert await bench.knows("second")

    asyncio.run(check())


@pytest.mark.parametrize(
    ("discovery", "said"),
    [
        ({"issuer": "https://other.example.org", "jwks_uri": JWKS}, "https://other.example.org"),
        ({"issuer": ISSUER, "jwks_uri": "http://keys.example.org/jwks"}, "not an https URL"),
        ({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, "not an https URL"),
        ({"issuer": ISSUER}, "no discovery document"),
    ],
)
def test_a_discovery_document_is_not_followed_anywhere(
    discovery: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        bench = Bench()
        bench.issuer.discovery = discovery
        with pytest.raises(Busy):
            await bench.keys.find("first")
        assert bench.issuer.asked == [DISCOVERY]

    asyncio.run(check())
    assert said.replace("no discovery", "not a discovery") in caplog.messages[0]


# ── key sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _said(key: Any, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


def test_only_keys_that_verify_signatures_count() -> None:
    good = ec_key("good")
    listed = [
        _said(good),
        _said(ec_key("for encryption"), use="enc"),
        _said(ec_key("for signing only"), key_ops=["sign"]),
        _said(ec_key("another algorithm"), alg="RS256"),
        {name: value for name, value in _said(ec_key("x")).items() if name != "kid"},
        ec_key("private").as_dict(private=True),
        {**OctKey.generate_key(256, {"kid": "shared secret"}).as_dict(private=True)},
        {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": "x" * 171},
        {"kty": "AKP", "kid": "of another age", "pub": "AAAA"},
        _said(ec_key("of another curve"), crv="BP-256"),
        {"kty": "OKP", "kid": "of another curve, too", "crv": "Ed25519ph", "x": "AAAA"},
        {"kty": "EC", "kid": "broken", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "empty"},
        {"kid": "nothing"},
    ]
    assert list(parse_keys(msgspec.json.encode({"keys": listed}))) == ["good"]


def test_a_key_is_good_for_its_own_algorithms() -> None:
    rsa = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
    keys = parse_keys(
        msgspec.json.encode(
            {
                "keys": [
                    _said(rsa),
                    _said(rsa, kid="one", alg="PS256"),
                    _said(ECKey.generate_key("P-384", {"kid": "ec"}, private=True)),
                ]
            }
        )
    )
    assert keys["rsa"].algorithms == ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    assert (keys["one"].algorithms, keys["ec"].algorithms) == (("PS256",), ("ES384",))


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [1]}', b"<html>", b"\xff"])
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(NotPublished):
        parse_keys(document)


# ── over the wire ────────────────────────────────────────────────────────────────────────────────────────────────────


def _serving(answer: bytes) -> tuple[Any, Callable[[Any, Any], Coroutine[Any, Any, None]]]:
    asked: list[bytes] = []

    async def serve(reader: Any, writer: Any) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        try:
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass

    return asked, serve


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "status 500"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_DOCUMENT + 1), "longer than"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", "127.0.0.1"),
        (b"nonsense\r\n\r\n", "127.0.0.1"),
    ],
)
def test_a_document_is_taken_from_there_or_not_at_all(answer: bytes, said: str) -> None:
    async def check() -> None:
        asked, serve = _serving(answer)
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(NotPublished, match=said):
                await fetch(f"http://127.0.0.1:{port}/keys")
        assert len(asked) == 1

    asyncio.run(check())


def test_nobody_there_is_said() -> None:
    with pytest.raises(NotPublished, match=r"127\.0\.0\.1"):
        asyncio.run(fetch("http://127.0.0.1:1/keys"))


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "carrier-pigeon://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_said(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(NotPublished, match=r"(?i)proxy"):
        asyncio.run(fetch("https://id.example.org/keys"))


def test_a_host_name_that_is_none_is_said() -> None:
    with pytest.raises(NotPublished, match="xn--"):
        asyncio.run(fetch("https://xn--/keys"))


@pytest.mark.parametrize(
    ("url", "loopback_http", "may"),
    [
        ("https://id.example.org/keys", False, True),
        ("http://id.example.org/keys", True, False),
        ("http://127.0.0.1:9000/keys", True, True),
        ("http://[::1]:9000/keys", True, True),
        ("http://127.0.0.1:9000/keys", False, False),
        ("http://127.0.0.1.example.org/keys", True, False),
        ("http://127.0.0.1@example.org/keys", True, False),
        ("file:///etc/passwd", True, False),
        ("//id.example.org", True, False),
        ("https://[", True, False),
        ("https://id.example.org:99999/keys", False, False),
        ("https://id.example.org:0/keys", False, False),
        ("", True, False),
    ],
)
def test_where_keys_may_come_from(url: str, loopback_http: bool, may: bool) -> None:
    assert may_be_fetched(url, loopback_http=loopback_http) is may
