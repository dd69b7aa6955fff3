"""Client secrets and passwords: made, hashed for keeping, and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from folkmoot.model import Application

# scrypt with these costs takes about 40 ms and 16 MiB (RFC 7914; OWASP Password Storage Cheat Sheet gives n=2**14, r=8,
# p=5 as one of its equivalent settings; this server's passwords open a development issuer, so p stays 1).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
MAX_PASSWORD = 1024  # characters; a longer one is refused before any work is spent on it


def new_secret() -> str:
    """A client secret of 240 random bits: 40 URL-safe characters."""
    return secrets.token_urlsafe(30)


def hash_secret(secret: str) -> str:
    """What to keep of a client secret: `sha256$salt$digest`.

    One round of SHA-256 is enough for the 240 random bits of `new_secret`, which nobody can guess; it keeps a token
    request cheap. A secret chosen by hand is only as strong as itself.
    """
    salt = secrets.token_hex(8)
    return f"sha256${salt}${hashlib.sha256((salt + secret).encode()).hexdigest()}"


def check_secret(application: Application, secret: str) -> bool:
    """Whether `secret` is the application's client secret. Always False for a public client, which has none."""
    scheme, _, rest = (application.secret_hash or "").partition("$")
    salt, _, digest = rest.partition("$")
    if scheme != "sha256" or not digest:
        return False
    given = hashlib.sha256((salt + secret).encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(given.encode(), digest.encode())


def hash_password(password: str) -> str:
    """What to keep of a person's password: `scrypt$n$r$p$salt$digest`. ValueError when empty or over 1024 characters.

    Takes tens of milliseconds: call it, and `check_password`, in a thread.
    """
    if not 0 < len(password) <= MAX_PASSWORD:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${salt.hex()}${digest.hex()}"


def password_stamp(kept: str | None) -> str:
    """A text that is another after each change of the password whose stored hash is `kept`; empty where there is none.

    It may be seen: whoever does not know the hash's salt can try no password against it.
    """
    return "" if kept is None else hashlib.sha256(kept.encode()).hexdigest()[:32]


def check_password(kept: str, password: str) -> bool:
    """Whether `password` is the one whose hash is `kept`. False too when `kept` is empty or not of this form."""
    try:
        scheme, n, r, p, salt, digest = kept.split("$")
        if scheme != "scrypt" or not 0 < len(password) <= MAX_PASSWORD:
            return False
        given = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
        return hmac.compare_digest(given, bytes.fromhex(digest))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=64 * 2**20, dklen=32)
