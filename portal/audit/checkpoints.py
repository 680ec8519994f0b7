"""Signed checkpoints over the log (C2SP tlog-checkpoint in a signed note, Ed25519).

Copies held outside are the control: whoever owns the database can rewrite the whole log, but not
so that it still fits a checkpoint that somebody else keeps. What came after the last checkpoint
can be withheld without trace; no log can change that.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import func, select

from portal import db
from portal.audit import services, tree
from portal.audit.models import AuditEntry, AuditHead, Checkpoint
from portal.config import Settings
from portal.jobs import Job
from portal.keyfiles import make_once

ED25519 = b"\x01"
EVERY = timedelta(days=1)


@dataclass(frozen=True)
class Signed:
    """What a checkpoint says: who kept the log, how long it was, and its root."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True)
class Signer:
    """The key that signs checkpoints, and the name under which it does."""

    origin: str
    key: Ed25519PrivateKey

    @property
    def verifier_key(self) -> str:
        """What an auditor needs: name+id+key, as C2SP signed-note writes it. Public."""
        public = _raw(self.key.public_key())
        packed = b64encode(ED25519 + public).decode()
        return f"{self.origin}+{_key_id(self.origin, public).hex()}+{packed}"

    def sign(self, size: int, root: bytes) -> str:
        """The signed note for a log of this size and root."""
        text = f"{self.origin}\n{size}\n{b64encode(root).decode()}\n"
        key_id = _key_id(self.origin, _raw(self.key.public_key()))
        signature = b64encode(key_id + self.key.sign(text.encode())).decode()
        return f"{text}\n— {self.origin} {signature}\n"


def load_signer(settings: Settings) -> Signer:
    """The key of the settings; in the demo it is made at the first use."""
    path = Path(settings.checkpoint_key_file or settings.data_dir / "keys" / "checkpoint.pem")
    if not settings.checkpoint_key_file:
        make_once(path, _make_key)
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 key.")
    host = urlsplit(settings.base_url).hostname or "localhost"
    return Signer(origin=f"{host}/attestation-log", key=key)


def open_note(note: str, verifier_key: str) -> Signed:
    """What a signed checkpoint says. Raises ValueError when the signature does not fit."""
    text, _, signatures = note.partition("\n\n")
    name, _, packed = verifier_key.strip().split("+", 2)
    public = b64decode(packed)[1:]
    text += "\n"
    for line in signatures.splitlines():
        signature = b64decode(line.split(" ")[-1])
        if signature[:4] != _key_id(name, public):
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
        except InvalidSignature:
            break
        origin, size, root = text.splitlines()[:3]
        return Signed(origin, int(size), b64decode(root))
    raise ValueError("The checkpoint is not signed by this key.")


def sign_checkpoint(signer: Signer) -> Checkpoint:
    """Sign the log as it is now; the same size is signed once. The log must not be empty."""
    size, edge = db.session.execute(select(AuditHead.size, AuditHead.edge)).one()
    found = db.session.get(Checkpoint, size)
    if found is not None:
        return found
    root = tree.edge_root([bytes.fromhex(node) for node in edge])
    checkpoint = Checkpoint(size=size, note=signer.sign(size, root))
    db.session.add(checkpoint)
    db.session.flush()
    services.record(
        "checkpoint.signed", subject=str(checkpoint.size), actor=None, size=checkpoint.size
    )
    return checkpoint


def is_due() -> bool:
    """Whether the log has grown and its last checkpoint is older than a day."""
    last, size = db.session.execute(
        select(
            select(func.max(Checkpoint.at)).scalar_subquery(),
            select(AuditHead.size).scalar_subquery(),
        )
    ).one()
    if not size:
        return False
    return last is None or db.utc_now() - last >= EVERY


def list_checkpoints() -> Sequence[Checkpoint]:
    """All checkpoints, newest first."""
    return db.session.scalars(select(Checkpoint).order_by(Checkpoint.size.desc())).all()


def verify_log(verifier_key: str, *, outside: Sequence[str] = ()) -> list[str]:
    """Compare the log with itself, with its checkpoints and with those kept `outside`.

    Returns in words where they part; nothing found is an empty list.
    """
    found: list[str] = []
    wanted = {checkpoint.size: [checkpoint.note] for checkpoint in list_checkpoints()}
    for note in outside:
        wanted.setdefault(open_note(note, verifier_key).size, []).append(note)
    edge: tree.Edge = []
    size = 0
    rows = db.session.execute(
        select(AuditEntry.position, AuditEntry.leaf, AuditEntry.leaf_hash)
        .order_by(AuditEntry.position)
        .execution_options(yield_per=2000)
    )
    for position, leaf, leaf_hash in rows:
        if position != size:
            found.append(f"entry {size} is missing: the next one is {position}")
            return found
        if tree.leaf_hash(leaf.encode()) != leaf_hash:
            found.append(f"entry {position}: its text is not the one that was hashed")
        edge = tree.append(edge, size, tree.leaf_hash(leaf.encode()))
        size += 1
        for note in wanted.pop(size, ()):
            found += _compare(note, verifier_key, size, tree.edge_root(edge))
    found += [f"a checkpoint covers {longer} entries, the log has {size}" for longer in wanted]
    head = db.session.execute(select(AuditHead.size, AuditHead.edge)).first()
    kept_size, kept_edge = tuple(head) if head else (0, [])
    if kept_size != size or [bytes.fromhex(node) for node in kept_edge] != edge:
        found.append("the head of the log is not that of its entries")
    return found


def _compare(note: str, verifier_key: str, size: int, root: bytes) -> list[str]:
    try:
        signed = open_note(note, verifier_key)
    except ValueError as fault:
        return [f"checkpoint of {size} entries: {fault}"]
    if signed.root != root:
        return [f"the first {size} entries are not those of the checkpoint over them"]
    return []


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def _make_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _due(_limit: int) -> list[str]:
    return ["log"] if is_due() else []


def _do(_item: str) -> None:
    with db.transaction():
        if is_due():
            sign_checkpoint(load_signer(db.settings()))


CHECKPOINT = Job("checkpoint", _due, _do, every=5)
"""A checkpoint a day, while the log grows."""
