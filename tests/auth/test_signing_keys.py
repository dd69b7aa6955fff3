"""The signing key's file, and secrets kept as hashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk, jwt

from folkmoot.auth.keys import SigningKey
from folkmoot.auth.secrets import check_password, check_secret, hash_password, hash_secret, new_secret

from .support import DAEMON, PUBLIC


def test_the_key_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "made" / "signing-key.pem"
    made, again = SigningKey.load_or_create(path), SigningKey.load_or_create(path)
    assert made.kid == again.kid
    assert made.public_jwks() == again.public_jwks()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir() if each.name.endswith(".pem")] == ["signing-key.pem"]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from folkmoot.auth.keys import SigningKey;"
        "print(SigningKey.load_or_create(Path(sys.argv[1])).kid)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "key.pem")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({each.communicate()[0] for each in started}) == 1
    assert all(each.returncode == 0 for each in started)


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_that_holds_no_key_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"key\.pem: no usable signing key"):
        SigningKey.load_or_create(path)
    assert path.read_bytes() == content


def test_a_key_whose_parts_do_not_belong_together_is_refused() -> None:
    n = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    public = rsa.RSAPublicNumbers(65539, n.public_numbers.n)
    wrong = rsa.RSAPrivateNumbers(n.p, n.q, n.d, n.dmp1, n.dmq1, n.iqmp, public)
    pem = wrong.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="do not belong together"):
        SigningKey(pem, ours=True)
    with pytest.raises(ValueError, match="Invalid private key"):
        SigningKey(pem)


def test_what_is_published_verifies_and_holds_nothing_private() -> None:
    key = SigningKey.generate()
    [public] = key.public_jwks()["keys"]
    assert set(public) == {"kty", "use", "alg", "kid", "n", "e"}
    assert (public["kty"], public["use"], public["alg"], public["kid"]) == ("RSA", "sig", "RS256", key.kid)
    token = jwt.decode(key.sign({"sub": "Ω"}), jwk.RSAKey.import_key(msgspec.json.decode(msgspec.json.encode(public))))
    assert token.header == {"typ": "JWT", "alg": "RS256", "kid": key.kid}
    assert token.claims == {"sub": "Ω"}


def test_secrets() -> None:
    secret = new_secret()
    assert len(secret) == 40
    kept = msgspec.structs.replace(DAEMON, secret_hash=hash_secret(secret))
    assert check_secret(kept, secret)
    assert secret not in (kept.secret_hash or "")
    assert not check_secret(kept, secret + "x")
    assert not check_secret(kept, "")
    assert not check_secret(kept, "\ud800")
    for broken in (None, "", "sha256$", "sha256$ab$", "plain"):
        assert not check_secret(msgspec.structs.replace(PUBLIC, secret_hash=broken), "")


def test_passwords() -> None:
    kept = hash_password("grüße")
    assert kept.startswith("scrypt$16384$8$1$")
    assert check_password(kept, "grüße")
    assert hash_password("grüße") != kept
    for wrong in ("grusse", "", "x" * 2000, "\ud800"):
        assert not check_password(kept, wrong)
    for broken in ("", "scrypt$", "scrypt$16384$8$1$zz$zz", "scrypt$3$8$1$00$00", "md5$a$b$c$d$e"):
        assert not check_password(broken, "grüße")
    for refused in ("", "x" * 1025):
        with pytest.raises(ValueError, match="1 to 1024"):
            hash_password(refused)
