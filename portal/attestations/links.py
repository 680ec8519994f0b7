"""A former worker's own record: HR gives a signed link that ends by itself."""

from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select

from portal import db
from portal.attestations.models import Attestation, Evidence
from portal.audit import services as audit
from portal.campaigns.models import Assignment
from portal.errors import NotFound, Refused
from portal.people.models import Person
from portal.people.services import Identity

LASTS = timedelta(days=14)


def make_link(attestation_id: UUID, *, by: Identity) -> str:
    """The address of one record for a person who has left; good for LASTS.

    Refuses for who still works here: they sign in. Raises NotFound for an unknown record.
    """
    person = db.session.scalar(
        select(Person)
        .join(Assignment, Assignment.person_id == Person.id)
        .join(Attestation, Attestation.assignment_id == Assignment.id)
        .where(Attestation.id == attestation_id)
    )
    if person is None:
        raise NotFound
    if person.left_on is None:
        raise Refused(_("This person works here and signs in to get the record."))
    audit.record("record.link_made", subject=attestation_id, actor=by.id)
    return f"{db.settings().base_url}/attestations/record/{_signer().dumps(attestation_id.hex)}"


def find_record(token: str) -> tuple[Attestation, Evidence] | None:
    """The record that a link leads to; None for a link that is forged, too old, or let go."""
    try:
        key = UUID(_signer().loads(token, max_age=int(LASTS.total_seconds())))
    except (BadSignature, ValueError):
        return None
    row = db.session.execute(
        select(Attestation, Evidence)
        .join(Evidence, Evidence.attestation_id == Attestation.id)
        .where(Attestation.id == key)
    ).first()
    return (row[0], row[1]) if row else None


def open_record(token: str) -> tuple[str, bytes]:
    """File name and bytes; the log keeps that the link was used. Raises NotFound."""
    with db.transaction():
        found = find_record(token)
        if found is None:
            raise NotFound
        audit.record("record.link_used", subject=found[0].id, actor=None)
        return found[1].file_name, found[1].pdf


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(db.settings().secret_key, salt="record of a former worker")
