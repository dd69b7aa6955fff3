"""Resource data in notifications: encrypted for the subscriber alone, as the cloud encrypts it.

A random key for each item encrypts the data (AES-256-CBC, PKCS #7; the initialisation vector is the key's first half)
and authenticates it (HMAC-SHA256 over what is encrypted); the subscriber's certificate encrypts the key (RSAES-OAEP
with SHA-1, RFC 8017 §7.1). Source: Microsoft Graph, resource type changeNotificationEncryptedContent. The algorithms
are the ones that the published clients decrypt with; nothing can be chosen.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac, padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from folkmoot.refusals import BadBody

# Sizes of keys that the cloud takes, in bits.
SMALLEST_KEY, LARGEST_KEY = 2048, 4096

LONGEST_CERTIFICATE = 16_384  # characters

_BLOCK = 16  # bytes
_SHA1 = hashes.SHA1()  # noqa: S303  (OAEP and thumbprints need no collision resistance)


@lru_cache(maxsize=1024)
def read_certificate(text: str) -> tuple[rsa.RSAPublicKey, str]:
    """The public key of a subscription's `encryptionCertificate`, and its thumbprint in hexadecimal.

    `text` is base64 of the certificate, which is in DER or PEM, since clients send either. Raises `BadBody`.
    """
    try:
        if len(text) > LONGEST_CERTIFICATE:
            raise ValueError("too long")
        raw = b64decode("".join(text.split()), validate=True)
        pem = raw.lstrip().startswith(b"-----BEGIN")
        certificate = x509.load_pem_x509_certificate(raw) if pem else x509.load_der_x509_certificate(raw)
        key = certificate.public_key()
    except (Base64Error, ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise _wrong("is not base64 of an X.509 certificate") from error
    if not isinstance(key, rsa.RSAPublicKey) or not SMALLEST_KEY <= key.key_size <= LARGEST_KEY:
        raise _wrong(f"must hold an RSA key of {SMALLEST_KEY} to {LARGEST_KEY} bits")
    try:
        # A number that is no modulus is found out only here; all that its endpoint is to be sent would wait for it.
        _sealed(key, b"")
    except ValueError as error:
        raise _wrong("holds an RSA key for which nothing can be encrypted") from error
    return key, certificate.fingerprint(_SHA1).hex().upper()


def encrypted(content: bytes, certificate: str, certificate_id: str | None) -> dict[str, str | None]:
    """The `encryptedContent` of a notification: `content` for who has the key of `certificate`."""
    public, thumbprint = read_certificate(certificate)
    key = secrets.token_bytes(32)
    padder = padding.PKCS7(8 * _BLOCK).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:_BLOCK])).encryptor()
    data = cipher.update(padder.update(content) + padder.finalize()) + cipher.finalize()
    signature = hmac.HMAC(key, hashes.SHA256())
    signature.update(data)
    return {
        "data": b64encode(data).decode(),
        "dataSignature": b64encode(signature.finalize()).decode(),
        "dataKey": b64encode(_sealed(public, key)).decode(),
        "encryptionCertificateId": certificate_id,
        "encryptionCertificateThumbprint": thumbprint,
    }


def _sealed(public: rsa.RSAPublicKey, key: bytes) -> bytes:
    return public.encrypt(key, OAEP(MGF1(_SHA1), _SHA1, None))


def _wrong(said: str) -> BadBody:
    return BadBody(f"The property 'encryptionCertificate' {said}.", target="encryptionCertificate")
