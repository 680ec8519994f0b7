"""The organization's seal on a PDF, and the check of it.

A seal is one certifying PAdES B-B signature with the organization's key: DocMDP level 1 (nothing
may change), in an invisible field. It is never the person's signature; that is text on the page.
"""

import asyncio
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from asn1crypto import tsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from flask import current_app
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers
from pyhanko.sign.attributes import CMSAttributeProvider, SignedAttributeProviderSpec
from pyhanko.sign.general import SigningError, as_signing_certificate_v2
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from portal.config import Misconfigured, Settings
from portal.db import utc_now
from portal.documents.development_seal import DEVELOPMENT, development_seal

FIELD = "Seal"

_LEAST_RESERVED = 8192  # hex digits; room for the signature without a trial run to measure it

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


class _NamesTheCertificate(CMSAttributeProvider, SignedAttributeProviderSpec):
    """The attribute that PAdES asks for beside those of CMS: which certificate it was.

    Encoded once: of what was built from parts, asn1crypto encodes each part at each look, a
    thousand times in all, which is half of what a seal costs.
    """

    attribute_type = "signing_certificate_v2"

    def __init__(self, certificate: asn1.Certificate) -> None:
        self._encoded = as_signing_certificate_v2(certificate).dump()

    def signed_attr_providers(
        self, data_digest: bytes, digest_algorithm: str
    ) -> list[CMSAttributeProvider]:
        """This one alone."""
        return [self]

    async def build_attr_value(self, dry_run: bool = False) -> tsp.SigningCertificateV2:
        """The value, not yet parsed."""
        return tsp.SigningCertificateV2.load(self._encoded)


class _KeptKeySigner(signers.Signer):
    """Signs with a key object that is kept; pyHanko's own parses the key again each time."""

    def __init__(self, key: Key, certificate: asn1.Certificate, chain: Sequence[asn1.Certificate]):
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        store.register_multiple(chain)
        super().__init__(signing_cert=certificate, cert_registry=store)
        self.signed_attr_prov_spec = _NamesTheCertificate(certificate)
        self._key = key

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """The bare signature over the signed attributes."""
        digest: hashes.HashAlgorithm = getattr(hashes, digest_algorithm.upper())()
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), digest)
        return self._key.sign(data, ec.ECDSA(digest))


class _SealOnlyWriter(IncrementalPdfFileWriter):
    """Adds the seal and nothing else: what the file says of itself stays as it was printed."""

    def _update_meta(self) -> None:
        pass


class Seal:
    """The organization's key with its certificate; made by `load`."""

    def __init__(
        self, key: Key, certificate: x509.Certificate, chain: Sequence[x509.Certificate] = ()
    ) -> None:
        self._certificate = certificate
        self._chain = tuple(chain)
        self._signer = _KeptKeySigner(key, _asn1(certificate), [_asn1(one) for one in chain])
        size = sum(len(_der(one)) for one in (certificate, *chain))
        self._reserved = max(_LEAST_RESERVED, 4 * size + 2048)
        self.certificate_name = _common_name(certificate)
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
        signer = signers.PdfSigner(
            signers.PdfSignatureMetadata(
                field_name=FIELD,
                md_algorithm="sha256",
                subfilter=fields.SigSeedSubFilter.PADES,
                certify=True,
                docmdp_permissions=fields.MDPPerm.NO_CHANGES,
                reason="Sealed by the organization; the person's signature is text on the page",
            ),
            self._signer,
            new_field_spec=fields.SigFieldSpec(
                FIELD, box=None, readable_field_name="Seal of the organization"
            ),
        )
        output = io.BytesIO()
        writer = _SealOnlyWriter(io.BytesIO(pdf))
        signer.sign_pdf(writer, bytes_reserved=self._reserved, output=output)
        return output.getvalue()


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


def check(
    pdf: bytes | PdfFileReader,
    trusted: Sequence[x509.Certificate],
    *,
    at: datetime | None = None,
) -> Check:
    """What the seal on this file says, by our certificates: the seal's own, then its issuers.

    `at` is the time for which the certificate must be valid; default is now. Asks no network.
    A file that cannot be read, or has no seal or several, gives a Check of which nothing is true.
    """
    moment = at or utc_now()
    try:
        reader = pdf if isinstance(pdf, PdfFileReader) else PdfFileReader(io.BytesIO(pdf))
        seals = reader.embedded_regular_signatures
        if len(seals) != 1:
            return Check()
        seal = seals[0]
        context = ValidationContext(
            trust_roots=[_asn1(one) for one in _anchors(trusted)],
            other_certs=[_asn1(one) for one in trusted],
            allow_fetching=False,
            moment=moment,
            best_signature_time=moment,
        )
        status = validate_pdf_signature(
            seal,
            signer_validation_context=context,
            key_usage_settings=KeyUsageConstraints(
                key_usage={"non_repudiation", "digital_signature"}, match_all_key_usages=False
            ),
            skip_diff=True,  # any change at all is one too many
        )
        signer = x509.load_der_x509_certificate(seal.signer_cert.dump())
        # A certificate that is its own root is taken as it is: its dates are for us to look at.
        valid = signer.not_valid_before_utc <= moment <= signer.not_valid_after_utc
        return Check(
            sealed=True,
            ours=status.valid and _is_ours(signer, trusted),
            intact=status.intact and status.valid,
            trusted=status.trusted and valid,
            docmdp_ok=bool(status.docmdp_ok) and seal.docmdp_level is fields.MDPPerm.NO_CHANGES,
            whole_file=status.coverage is SignatureCoverageLevel.ENTIRE_FILE,
            name=_common_name(signer),
            sealed_at=seal.self_reported_timestamp,
        )
    except _UNREADABLE:
        return Check()


_UNREADABLE = (
    *(PdfError, SigningError, SignatureValidationError),
    # What pyHanko and asn1crypto raise, one way or another, on files that were cut or patched.
    *(ValueError, TypeError, LookupError, AttributeError, AssertionError, OSError),
    *(RecursionError, NotImplementedError, ArithmeticError, asyncio.TimeoutError),
)


def _is_ours(signer: x509.Certificate, trusted: Sequence[x509.Certificate]) -> bool:
    own = {hashlib.sha256(_der(one)).digest() for one in trusted[:1]}
    if hashlib.sha256(_der(signer)).digest() in own:
        return True
    for issuer in trusted[1:]:
        try:
            signer.verify_directly_issued_by(issuer)
        except Exception:  # noqa: S112 - not this one, for whatever reason
            continue
        return True
    return False


def _anchors(certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The roots among them; without any, those whose issuer is not here."""
    roots = [one for one in certificates if one.issuer == one.subject]
    names = {one.subject for one in certificates}
    return roots or [one for one in certificates if one.issuer not in names]


def _common_name(certificate: x509.Certificate) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for part in certificate.subject.get_attributes_for_oid(kind):
            return str(part.value)
    return certificate.subject.rfc4514_string()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _asn1(certificate: x509.Certificate) -> asn1.Certificate:
    return asn1.Certificate.load(_der(certificate))


def _spki(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _spki_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
