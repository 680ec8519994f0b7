import io
import multiprocessing
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm

from portal import db
from portal.config import ROOT, Misconfigured, Settings
from portal.documents import pades, seal
from portal.documents.seal import Check, Seal, SealExpired
from tests.documents.conformance import openssl, pdfsig
from tests.documents.test_pdf import print_page

START = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> bytes:
    sheet = tmp_path_factory.mktemp("sheet") / "sheet.css"
    sheet.write_text("p { margin: 1in }")
    return print_page("<p>Signed by Łukasz</p>", sheet)


@pytest.fixture
def development(tmp_path: Path) -> Seal:
    return seal.load(Settings(data_dir=tmp_path))


def certify(key, name, *, issuer=None, issuer_key=None, ca=False, start=START, days=365):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(not ca, not ca, False, False, False, ca, ca, False, False), critical=True
        )
        .sign(issuer_key or key, hashes.SHA256())
    )


def pem(key, *certificates, password=None):
    protection = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    ) + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def load(tmp_path, data, password=None, **more):
    (tmp_path / "seal.file").write_bytes(data)
    words = {"seal_file": str(tmp_path / "seal.file")}
    if password is not None:
        (tmp_path / "password").write_bytes(password + b"\n")
        words["seal_password_file"] = str(tmp_path / "password")
    return seal.load(Settings(data_dir=tmp_path, **words, **more))


def test_the_seal_names_its_certificate_and_signs_what_pades_asks_for(page, development):
    sealed = PdfFileReader(io.BytesIO(development.apply(page))).embedded_regular_signatures[0]
    signed = {each["type"].native: each["values"] for each in sealed.signer_info["signed_attrs"]}
    assert signed.keys() == {"content_type", "message_digest", "signing_certificate_v2"}
    named = signed["signing_certificate_v2"][0]["certs"][0]
    certificate = development.certificates[0]
    assert named["cert_hash"].native == certificate.fingerprint(hashes.SHA256())
    assert named["issuer_serial"]["serial_number"].native == certificate.serial_number


def test_the_development_seal_is_made_once_for_its_owner_only(tmp_path, development):
    path = tmp_path / "keys" / "development-seal.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert development.is_development
    assert "DEVELOPMENT – NOT VALID" in development.certificate_name
    assert development.expires_at > datetime.now(UTC) + timedelta(days=365)
    before = path.read_bytes()
    seal._load.cache_clear()
    assert seal.load(Settings(data_dir=tmp_path)).certificates == development.certificates
    assert path.read_bytes() == before


def _certificate_of(folder):
    return seal.load(Settings(data_dir=folder)).certificates[0].serial_number


def test_processes_that_start_at_once_use_one_development_seal(tmp_path):
    with multiprocessing.get_context("fork").Pool(6) as pool:
        serials = pool.map(_certificate_of, [tmp_path] * 12, chunksize=1)
    assert len(set(serials)) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_production_refuses_a_development_seal(tmp_path, development):
    made = tmp_path / "keys" / "development-seal.pem"
    with pytest.raises(Misconfigured, match="development seal"):
        seal.load(Settings(env="production", data_dir=tmp_path))
    with pytest.raises(Misconfigured, match="development seal"):
        seal.load(Settings(env="production", data_dir=tmp_path, seal_file=str(made)))


def test_a_sealed_file_is_good(page, development):
    sealed = development.apply(page)
    found = pades.check(sealed, development.certificates)
    assert found.good
    assert found.name == development.certificate_name
    assert found.sealed_at is not None
    assert seal.is_development_sealed(sealed)
    assert not seal.is_development_sealed(page)


def test_the_seal_certifies_forbids_changes_and_is_invisible(page, development):
    reader = PdfFileReader(io.BytesIO(development.apply(page)))
    assert len(reader.embedded_signatures) == 1
    one = reader.embedded_signatures[0]
    assert one.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert one.docmdp_level is MDPPerm.NO_CHANGES
    assert "/DocMDP" in reader.root["/Perms"]
    assert [float(edge) for edge in one.sig_field["/Rect"]] == [0, 0, 0, 0]


@pytest.mark.parametrize("kind", ["pem", "pem with password", "pkcs12"])
@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), "rsa"])
def test_seals_are_read_from_pem_and_pkcs12(tmp_path, page, kind, key):
    key = rsa.generate_private_key(65537, 2048) if key == "rsa" else key
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = certify(authority_key, "City root", ca=True)
    own = certify(key, "City seal", issuer=authority, issuer_key=authority_key)
    if kind == "pkcs12":
        lock = serialization.BestAvailableEncryption(b"secret")
        data = pkcs12.serialize_key_and_certificates(b"x", key, own, [authority], lock)
        made = load(tmp_path, data, b"secret", env="production")
    elif kind == "pem":
        made = load(tmp_path, pem(key, authority, own), env="production")
    else:
        made = load(tmp_path, pem(key, own, authority, password=b"secret"), b"secret")
    assert made.certificate_name == "City seal"
    assert not made.is_development
    assert made.expires_at == own.not_valid_after_utc
    sealed = made.apply(page)
    assert pades.check(sealed, made.certificates).good
    assert "Signature is Valid" in pdfsig(sealed, tmp_path)


def test_a_seal_that_vouches_for_itself_is_trusted(tmp_path, page):
    key = ec.generate_private_key(ec.SECP256R1())
    made = load(tmp_path, pem(key, certify(key, "Alone")))
    assert pades.check(made.apply(page), made.certificates).good


def test_a_long_chain_of_large_certificates_finds_room(tmp_path, page):
    keys = [rsa.generate_private_key(65537, 4096) for _ in range(3)]
    root = certify(keys[0], "Root", ca=True)
    middle = certify(keys[1], "Middle", issuer=root, issuer_key=keys[0], ca=True)
    own = certify(keys[2], "Seal", issuer=middle, issuer_key=keys[1])
    made = load(tmp_path, pem(keys[2], own, middle, root))
    assert pades.check(made.apply(page), made.certificates).good


def _wrong_seals():
    key = ec.generate_private_key(ec.SECP256R1())
    other = ec.generate_private_key(ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    weak = rsa.generate_private_key(65537, 1024)
    yield "no certificate for its key", pem(key, certify(other, "x"))
    yield "no certificate for its key", pem(key)
    yield "EC P-256 or RSA", pem(edwards)
    yield "too weak", pem(weak, certify(weak, "x"))
    yield "cannot be used", pem(key, certify(key, "x"), password=b"secret")
    yield "cannot be used", b"not a key at all"


@pytest.mark.parametrize(("reason", "data"), list(_wrong_seals()))
def test_a_seal_that_readers_of_pdf_would_refuse_is_refused_at_the_start(tmp_path, reason, data):
    with pytest.raises(Misconfigured, match=reason):
        load(tmp_path, data)


def test_an_expired_seal_seals_nothing(tmp_path, page, monkeypatch):
    key = ec.generate_private_key(ec.SECP256R1())
    made = load(tmp_path, pem(key, certify(key, "Old", days=3)))
    sealed = made.apply(page)
    later = datetime.now(UTC) + timedelta(days=4)
    monkeypatch.setattr(db, "_now", lambda: later)
    with pytest.raises(SealExpired, match="expired on"):
        made.apply(page)
    found = pades.check(sealed, made.certificates)
    assert found.intact
    assert not found.trusted
    assert not found.good
    assert pades.check(sealed, made.certificates, at=later - timedelta(days=3)).good


def test_poppler_finds_the_whole_file_sealed(page, development, tmp_path):
    report = pdfsig(development.apply(page), tmp_path)
    assert "Signature is Valid" in report
    assert "Total document signed" in report


def test_openssl_finds_the_seal_right_over_its_byte_range(page, development, tmp_path):
    sealed = development.apply(page)
    one = PdfFileReader(io.BytesIO(sealed)).embedded_signatures[0]
    first, length, second, rest = one.byte_range
    (tmp_path / "data").write_bytes(sealed[first : first + length] + sealed[second : second + rest])
    (tmp_path / "cms").write_bytes(one.pkcs7_content)
    (tmp_path / "ca.pem").write_bytes(
        development.certificates[1].public_bytes(serialization.Encoding.PEM)
    )
    done = openssl(
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "cms"),
        *("-content", tmp_path / "data", "-CAfile", tmp_path / "ca.pem"),
        *("-purpose", "smimesign", "-out", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8, 0.99])
def test_one_flipped_bit_is_seen(page, development, share):
    sealed = development.apply(page)
    first, length, *_ = PdfFileReader(io.BytesIO(sealed)).embedded_signatures[0].byte_range
    changed = _flip(sealed, first + int(length * share))
    assert not pades.check(changed, development.certificates).good


def test_bytes_after_the_end_are_seen(page, development):
    found = pades.check(development.apply(page) + b"\n% more\n", development.certificates)
    assert found.ours
    assert found.intact
    assert not found.whole_file
    assert not found.good


def test_the_seal_of_somebody_else_is_not_ours(page, tmp_path, development):
    key = ec.generate_private_key(ec.SECP256R1())
    name = development.certificate_name
    forged = load(tmp_path, pem(key, certify(key, name))).apply(page)
    found = pades.check(forged, development.certificates)
    assert found.intact
    assert not found.ours
    assert not found.trusted
    assert not found.good


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7\n%%EOF", b"x" * 5000, b"%PDF-1.7\n" + b"<<" * 9999]
)
def test_what_cannot_be_read_has_no_seal(data, development):
    assert pades.check(data, development.certificates) == Check()


def test_a_page_without_a_seal_has_none(page, development):
    assert pades.check(page, development.certificates) == Check()


def test_the_web_starts_without_what_prints_and_seals(tmp_path):
    script = """
import sys
from pathlib import Path
from portal.app import create_app
from portal.config import Settings
from portal.documents import seal

with create_app(Settings(data_dir=Path(sys.argv[1]))).app_context():
    assert seal.current().expires_at  # as /readyz asks
print([name for name in ("pyhanko", "weasyprint") if name in sys.modules])
"""
    words = [sys.executable, "-c", script, str(tmp_path)]

    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
