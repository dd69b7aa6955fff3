"""The development issuer's signing key: RSA 2048 bits, RS256 (RFC 7518 §3.3), kept in one PEM file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import KeySet, RSAKey

from folkmoot.auth import files

KEY_BITS = 2048


class SigningKey:
    """A private key that signs tokens, and its public half as a JSON Web Key (RFC 7517)."""

    def __init__(self, pem: bytes, *, ours: bool = False) -> None:
        """`pem`: a private key in PEM, not encrypted. ValueError when it is not an RSA key of 2048 bits or more.

        Of one that we made (`ours`) the primes are not tested at each start, which would take a tenth of it, but that
        what it signs can be verified.
        """
        try:
            private = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=ours)
        except TypeError as error:  # an encrypted key without its password
            raise ValueError("the signing key is encrypted; this server needs it unencrypted") from error
        if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < KEY_BITS:
            raise ValueError(f"the signing key must be an RSA key of at least {KEY_BITS} bits")
        _prove(private)
        # Not by its PEM: that would be read, and its primes tested.
        self._private = RSAKey(private, private, {"use": "sig", "alg": "RS256"})
        self.kid: str = self._private.thumbprint()  # RFC 7638: the same key has the same id wherever it is loaded
        public = {**self._private.as_dict(private=False), "kid": self.kid}
        self._public = KeySet([RSAKey.import_key(public)])

    @classmethod
    def generate(cls) -> Self:
        """A new key that is kept nowhere."""
        return cls(_new_pem(), ours=True)

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The key in the PEM file at `path`; if there is none, a new one, written with mode 0600.

        Processes that start at once get the same key. ValueError, naming the file, when it holds no usable key.
        """
        with files.exclusive(path.parent):
            if not path.exists():
                files.write(path, _new_pem(), mode=0o600)
            pem = path.read_bytes()
        try:
            return cls(pem, ours=True)
        except ValueError as error:
            raise ValueError(f"{path}: no usable signing key: {error}") from error

    def key_set(self) -> KeySet:
        """The public key, in the shape that `tokens.TrustedIssuer.keys` answers."""
        return self._public

    def public_jwks(self) -> dict[str, Any]:
        """The JWK set (RFC 7517 §5) to publish: `{"keys": [{kty, use, alg, kid, n, e}]}`, nothing private in it."""
        return {"keys": [key.as_dict(private=False) for key in self._public]}

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """A signed JWT (RFC 7519) of `claims`, with `alg`, `kid` and `typ` in its header, in compact form."""
        header = {"typ": typ, "alg": "RS256", "kid": self.kid}
        return jws.serialize_compact(header, msgspec.json.encode(dict(claims)), self._private, ["RS256"])


def _prove(private: rsa.RSAPrivateKey) -> None:
    """ValueError unless what the key signs is verified by its public half, as it is not where a part was changed."""
    said = b"folkmoot"
    try:
        signature = private.sign(said, PKCS1v15(), SHA256())
        private.public_key().verify(signature, said, PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature) as error:
        raise ValueError("the signing key's parts do not belong together") from error


def _new_pem() -> bytes:
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
