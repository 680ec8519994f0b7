from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations import links, sealing
from portal.attestations.models import Evidence
from portal.audit.models import AuditEntry
from portal.errors import NotFound, Refused
from portal.people import kiosks
from portal.people.services import identify
from tests.factories import make_attestation, make_hr, make_person


@pytest.fixture
def record(app):
    attestation = make_attestation(person=make_person("Gone Away"))
    attestation.assignment.person.left_on = db.today()
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    return attestation


def token_of(record):
    address = links.make_link(record.id, by=identify(make_hr()))
    db.finish(keep=True)
    return address.rpartition("/")[2]


def test_who_has_left_downloads_their_own_record_with_a_link_from_hr(app, record, client):
    token = token_of(record)

    page = client.get(f"/attestations/record/{token}").text
    pdf = client.post(f"/attestations/record/{token}")

    assert record.number in page
    assert "Gone Away" not in page
    wanted = db.session.scalars(select(Evidence.sha256)).one()
    assert sha256(pdf.data).hexdigest() == wanted
    actions = db.session.scalars(select(AuditEntry.action)).all()
    assert actions.count("record.link_made") == actions.count("record.link_used") == 1


def test_a_link_leaves_no_record_at_a_shared_device(app, record, client):
    token = token_of(record)
    code = kiosks.offer("Tablet", "", by=identify(make_hr()))
    db.finish(keep=True)
    client.post("/people/kiosk", data={"code": code})

    refused = client.post(f"/attestations/record/{token}")

    assert refused.status_code == 409
    assert "A file would stay on this shared device" in refused.text


def test_a_link_that_is_old_or_forged_leads_nowhere(app, record, client, monkeypatch):
    token = token_of(record)

    assert client.get(f"/attestations/record/{token[:-2]}xx").status_code == 410
    assert client.post(f"/attestations/record/{token[:-2]}xx").status_code == 404
    monkeypatch.setattr(links, "LASTS", timedelta(seconds=-1))
    assert client.get(f"/attestations/record/{token}").status_code == 410


def test_who_works_here_signs_in_instead(app):
    attestation = make_attestation()

    with pytest.raises(Refused, match="signs in"):
        links.make_link(attestation.id, by=identify(make_hr()))
    with pytest.raises(NotFound):
        links.make_link(make_person().id, by=identify(make_hr()))


def test_hr_makes_the_link_on_the_persons_page(app, record, sign_in):
    browser = sign_in(make_hr())
    page = browser.get(f"/reports/people/{record.assignment.person_id}").text
    made = browser.post(f"/attestations/link/{record.id}").text

    assert "Make a link for the person who left" in page
    assert "/attestations/record/" in made
