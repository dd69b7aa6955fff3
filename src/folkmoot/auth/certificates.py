"""HTTPS on first start: a development certificate authority and the server's certificate, kept in one directory.

Clients of the Graph refuse `http://` authorities, so a server without certificates is of no use to them. The operator
hands `ca.pem` to clients (`SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `NODE_EXTRA_CA_CERTS`). Its key stays in the
directory, so that a renewed server certificate needs no new trust. Extensions follow RFC 5280 §4.2, as strict verifiers
ask (`VERIFY_X509_STRICT`, the default of Python 3.13; also Node and the platforms' own).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from folkmoot.auth import files

ALWAYS = ("localhost", "127.0.0.1", "::1")
CA_DAYS = 3650
LEAF_DAYS = 824  # at most 825 days including the first (Apple platforms refuse more)
RENEW_DAYS = 7  # a certificate with less than this to live is made anew at start
BACKDATED = dt.timedelta(hours=1)  # for clients, containers and virtual machines whose clock runs behind


class Certificates(NamedTuple):
    """Where the PEM files are: the authority to trust, the server's chain (its own first), and the server's key."""

    ca: Path
    certificate: Path
    key: Path


def ensure(directory: Path, hostnames: Sequence[str], *, now: dt.datetime | None = None) -> Certificates:
    """Certificates for `hostnames` and the loopback names, made in `directory` unless good ones are there.

    `hostnames` are DNS names or IP addresses without port. What is there is kept while it has a week to live and covers
    every name; otherwise the server's certificate is made anew under the same authority, and the authority only when
    its own time is up or its files do not fit. Keys have mode 0600. ValueError for a name that is no host name.
    """
    now = now or dt.datetime.now(dt.UTC)
    names = _general_names([*ALWAYS, *hostnames])
    made = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server-key.pem")
    ca_key_path = directory / "ca-key.pem"
    with files.exclusive(directory):
        ca, ca_key = _read(made.ca), _read_key(ca_key_path)
        if ca is None or ca_key is None or not _good(ca, ca_key, ca, now):
            ca, ca_key = _make_authority(now)
            files.write(ca_key_path, _pem_of_key(ca_key), mode=0o600)
            files.write(made.ca, ca.public_bytes(serialization.Encoding.PEM), mode=0o644)
        leaf, key = _read(made.certificate), _read_key(made.key)
        if leaf is None or key is None or not _good(leaf, key, ca, now) or not _covers(leaf, names):
            leaf, key = _make_leaf(ca, ca_key, names, now)
            chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, ca))
            files.write(made.key, _pem_of_key(key), mode=0o600)
            files.write(made.certificate, chain, mode=0o644)
    return made


def _make_authority(now: dt.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial in the name tells two authorities apart in a client's trust store.
    name = _name(f"Folkmoot development CA {x509.random_serial_number() % 2**32:08x}")
    builder = (
        _builder(name, name, key.public_key(), key.public_key(), now, now + dt.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


def _make_leaf(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, names: Sequence[x509.GeneralName], now: dt.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + dt.timedelta(days=LEAF_DAYS), ca.not_valid_after_utc)
    builder = (
        _builder(_name("Folkmoot development server"), ca.subject, key.public_key(), ca_key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    until: dt.datetime,
) -> x509.CertificateBuilder:
    """What both kinds of certificate have in common, the two key identifiers included (RFC 5280 §4.2.1.1–2)."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Folkmoot")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_names(hostnames: Iterable[str]) -> list[x509.GeneralName]:
    """Host names as certificates write them: addresses as addresses, other names in lower-case ASCII (IDNA)."""
    names: dict[x509.GeneralName, None] = {}
    for hostname in hostnames:
        try:
            names[x509.IPAddress(ipaddress.ip_address(hostname.strip("[]")))] = None
        except ValueError:
            try:
                ascii_name = hostname.lower().encode("idna").decode("ascii")
            except UnicodeError as error:
                raise ValueError(f"not a host name: {hostname!r}") from error
            if not ascii_name or not ascii_name.replace("-", "").replace(".", "").replace("_", "").isalnum():
                raise ValueError(f"not a host name: {hostname!r}") from None
            names[x509.DNSName(ascii_name)] = None
    return list(names)


def _good(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, now: dt.datetime
) -> bool:
    """Whether the certificate belongs to the key, was issued by the authority, and has its week to live."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc - dt.timedelta(days=RENEW_DAYS)
    return in_time and certificate.public_key() == key.public_key()


def _covers(certificate: x509.Certificate, names: Iterable[x509.GeneralName]) -> bool:
    try:
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return set(names) <= set(covered)


def _read(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())  # the first one of a chain
    except (FileNotFoundError, ValueError):
        return None


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
