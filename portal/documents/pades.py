"""PAdES on a PDF, made and checked with pyHanko, which takes a while to load.

So the web's processes do without this module: the worker seals, and files of strangers are checked
in a process of their own.
"""

import asyncio
import hashlib
import io
from collections.abc import Sequence
from datetime import datetime

from asn1crypto import tsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
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

from portal.db import utc_now
from portal.documents.seal import Check, Key, common_name, der

FIELD = "Seal"

_LEAST_RESERVED = 8192  # hex digits; room for the signature without a trial run to measure it


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


class Sealer:
    """Puts the seal on one file after the other, with one key."""

    def __init__(
        self, key: Key, certificate: x509.Certificate, chain: Sequence[x509.Certificate]
    ) -> None:
        self._signer = _KeptKeySigner(key, _asn1(certificate), [_asn1(one) for one in chain])
        size = sum(len(der(one)) for one in (certificate, *chain))
        self._reserved = max(_LEAST_RESERVED, 4 * size + 2048)

    def apply(self, pdf: bytes) -> bytes:
        """The PDF with the seal on it."""
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
            name=common_name(signer),
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
    own = {hashlib.sha256(der(one)).digest() for one in trusted[:1]}
    if hashlib.sha256(der(signer)).digest() in own:
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


def _asn1(certificate: x509.Certificate) -> asn1.Certificate:
    return asn1.Certificate.load(der(certificate))
