"""The development certificates: taken by strict verifiers and by Node, kept while good, made anew when not."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from folkmoot.auth import certificates
from folkmoot.auth.certificates import ensure

from .support import Server

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def leaf(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def test_a_strict_verifier_takes_them(tmp_path: Path) -> None:
    made = ensure(tmp_path, ["moot.example", "10.1.2.3", "bücher.example"], now=NOW)
    root = x509.load_pem_x509_certificate(made.ca.read_bytes())
    first, *rest = x509.load_pem_x509_certificates(made.certificate.read_bytes())
    policy = verification.PolicyBuilder().store(verification.Store([root])).time(NOW)
    for name in ("localhost", "moot.example", "xn--bcher-kva.example"):
        assert policy.build_server_verifier(x509.DNSName(name)).verify(first, rest)
    for address in ("127.0.0.1", "::1", "10.1.2.3"):
        general = x509.IPAddress(ipaddress.ip_address(address))
        assert policy.build_server_verifier(general).verify(first, rest)
    with pytest.raises(verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("other.example")).verify(first, rest)


def test_lifetimes_and_modes(tmp_path: Path) -> None:
    made = ensure(tmp_path, [], now=NOW)
    server, root = leaf(made.certificate), leaf(made.ca)
    assert server.not_valid_after_utc - server.not_valid_before_utc <= dt.timedelta(days=825)
    assert root.not_valid_after_utc - NOW == dt.timedelta(days=3650)
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca-key.pem").stat().st_mode & 0o777 == 0o600
    assert made.ca.name == "ca.pem"


def test_openssl_strict_over_the_wire(server: Server) -> None:
    context = ssl.create_default_context(cafile=server.ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", int(server.base.rpartition(":")[2]))),
        server_hostname="localhost",
    ) as connected:
        assert connected.version() == "TLSv1.3"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_takes_them(server: Server) -> None:
    program = "fetch(process.argv[1]).then(r=>r.json()).then(j=>console.log(j.issuer),e=>console.log(e.cause))"
    url = f"{server.authority}/v2.0/.well-known/openid-configuration"
    node = subprocess.run(
        ["node", "-e", program, url],
        env={"NODE_EXTRA_CA_CERTS": str(server.ca), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert node.stdout.strip() == f"{server.authority}/v2.0", node.stderr


def test_good_ones_are_kept(tmp_path: Path) -> None:
    before = [path.read_bytes() for path in ensure(tmp_path, ["moot.example"], now=NOW)]
    later = NOW + dt.timedelta(days=certificates.LEAF_DAYS - 8)
    assert [path.read_bytes() for path in ensure(tmp_path, [], now=later)] == before


def test_a_new_name_or_a_late_hour_keeps_the_authority(tmp_path: Path) -> None:
    made = ensure(tmp_path, [], now=NOW)
    ca, first = made.ca.read_bytes(), made.certificate.read_bytes()
    named = ensure(tmp_path, ["moot.example"], now=NOW).certificate.read_bytes()
    assert named != first
    late = ensure(tmp_path, [], now=NOW + dt.timedelta(days=certificates.LEAF_DAYS - 6)).certificate.read_bytes()
    assert late != named
    assert made.ca.read_bytes() == ca


def test_an_authority_at_its_end_is_replaced(tmp_path: Path) -> None:
    made = ensure(tmp_path, [], now=NOW)
    ca = made.ca.read_bytes()
    later = NOW + dt.timedelta(days=certificates.CA_DAYS - 6)
    ensure(tmp_path, [], now=later)
    assert made.ca.read_bytes() != ca
    assert leaf(made.certificate).not_valid_after_utc > later + dt.timedelta(days=300)


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_a_lost_or_torn_file_is_mended(tmp_path: Path, name: str, content: bytes | None) -> None:
    made = ensure(tmp_path, [], now=NOW)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    ensure(tmp_path, [], now=NOW)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.certificate, made.key)
    leaf(made.certificate).verify_directly_issued_by(leaf(made.ca))


@pytest.mark.parametrize("name", ["", "a b", "https://x", "a" * 80, "x..y"])
def test_what_is_no_host_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a host name"):
        ensure(tmp_path, [name])


def test_making_them_is_quick(tmp_path: Path) -> None:
    begun = time.perf_counter()
    ensure(tmp_path, [])
    assert time.perf_counter() - begun < 0.5  # generous: a few milliseconds and eight fsyncs
