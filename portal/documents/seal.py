"""The organization's seal: its key, its certificate, and what a check of it says.

A seal is one certifying PAdES B-B signature with the organization's key: DocMDP level 1 (nothing
may change), in an invisible field. It is never the person's signature; that is text on the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from flask import current_app

from portal.config import Misconfigured, Settings
from portal.db import utc_now
from portal.documents.development_seal import DEVELOPMENT, development_seal

if TYPE_CHECKING:
    from portal.documents.pades import Sealer

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class SealExpired(Exception):
    """The seal's certificate is not valid now: nothing may be sealed with it."""


@dataclass(frozen=True)
class Check:
    """What the seal of a file says. Only `good` means: whole, unchanged and sealed by us."""

    sealed: bool = False  # there is exactly one seal that can be read
    ours: bool = False  # made with our certificate, or with one our authority issued
    intact: bool = False  # the sealed bytes are as they were
    trusted: bool = False  # the certificate leads to our authority and is valid now
    docmdp_ok: bool = False  # it forbids every change, and there is none
    whole_file: bool = False  # no byte lies outside it
    name: str = ""  # common name on the certificate
    sealed_at: datetime | None = None  # as the seal itself says

    @property
    def good(self) -> bool:
        """Whether the file is exactly as we sealed it."""
        return all(
            (self.sealed, self.ours, self.intact, self.trusted, self.docmdp_ok, self.whole_file)
        )


class Seal:
    """The organization's key with its certificate; made by `load`."""

    def __init__(
        self, key: Key, certificate: x509.Certificate, chain: Sequence[x509.Certificate] = ()
    ) -> None:
        self._key, self._certificate, self._chain = key, certificate, tuple(chain)
        self.certificate_name = common_name(certificate)
        self.expires_at = certificate.not_valid_after_utc
        self.is_development = DEVELOPMENT in self.certificate_name

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The seal's certificate, then its issuers."""
        return (self._certificate, *self._chain)

    def apply(self, pdf: bytes) -> bytes:
        """The PDF with the seal on it. Raises SealExpired outside the certificate's validity."""
        if not self._certificate.not_valid_before_utc <= utc_now() <= self.expires_at:
            raise SealExpired(f"The seal {self.certificate_name} expired on {self.expires_at:%F}.")
        return self._sealer.apply(pdf)

    def warm(self) -> None:
        """Load what seals now, so that the first file does not wait for it."""
        _ = self._sealer

    @cached_property
    def _sealer(self) -> "Sealer":
        from portal.documents.pades import Sealer

        return Sealer(self._key, self._certificate, self._chain)


def load(settings: Settings) -> Seal:
    """The seal these settings name; without one, a development seal made at the first call.

    The same object for the same settings. Raises Misconfigured when the file cannot be used, or
    is a development seal in production.
    """
    return _load(
        settings.seal_file,
        settings.seal_password_file,
        settings.data_dir,
        settings.organization,
        settings.is_demo,
    )


def current() -> Seal:
    """The seal of the running app."""
    return load(current_app.extensions["settings"])


def is_development_sealed(pdf: bytes) -> bool:
    """Whether the file carries a development seal, which proves nothing."""
    digits = DEVELOPMENT.encode().hex().encode()  # signatures stand in a PDF as hex
    return digits.upper() in pdf or digits in pdf


@lru_cache(maxsize=8)
def _load(file: str, password_file: str, folder: Path, organization: str, demo: bool) -> Seal:
    if file:
        path = Path(file)
        password = Path(password_file).read_bytes().rstrip(b"\r\n") if password_file else None
    elif demo:
        path, password = development_seal(folder / "keys", organization), None
    else:
        raise Misconfigured(["PORTAL_SEAL_FILE: the development seal is not for production."])
    try:
        seal = Seal(*_read(path.read_bytes(), password))
    except (ValueError, TypeError, OSError) as error:
        raise Misconfigured([f"PORTAL_SEAL_FILE: {path} cannot be used: {error}"]) from error
    if seal.is_development and not demo:
        raise Misconfigured([f"PORTAL_SEAL_FILE: {path} is a development seal."])
    return seal


def _read(
    data: bytes, password: bytes | None
) -> tuple[Key, x509.Certificate, list[x509.Certificate]]:
    """Key, certificate and issuers of a PEM or PKCS#12 file. Raises ValueError with the reason."""
    key: object
    if b"-----BEGIN" in data:
        # Keys without encryption refuse a password, so it is given only where it is asked for.
        encrypted = b"ENCRYPTED" in data
        key = serialization.load_pem_private_key(data, password if encrypted else None)
        bare = b"-----BEGIN CERTIFICATE" not in data
        certificates = [] if bare else x509.load_pem_x509_certificates(data)
    else:
        key, own, others = pkcs12.load_key_and_certificates(data, password)
        certificates = [*([own] if own else []), *others]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            raise ValueError(f"the curve {key.curve.name} is not one that readers of PDF know.")
    elif not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("it needs a key of type EC P-256 or RSA; readers of PDF refuse others.")
    elif key.key_size < 2048:
        raise ValueError(f"an RSA key of {key.key_size} bits is too weak.")
    public = _spki(key.public_key())
    mine = [one for one in certificates if _spki_of(one) == public]
    if not mine:
        raise ValueError("it holds no certificate for its key.")
    return key, mine[0], [one for one in certificates if one is not mine[0]]


def common_name(certificate: x509.Certificate) -> str:
    """What the certificate calls its holder."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for part in certificate.subject.get_attributes_for_oid(kind):
            return str(part.value)
    return certificate.subject.rfc4514_string()


def der(certificate: x509.Certificate) -> bytes:
    """The certificate as it is hashed and sent."""
    return certificate.public_bytes(serialization.Encoding.DER)


def _spki(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _spki_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
