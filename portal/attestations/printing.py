"""The form that is signed by hand, with a code that leads back to the duty."""

from dataclasses import dataclass
from typing import Any

from portal import db
from portal.attestations import sealing
from portal.attestations.record import canonical
from portal.campaigns.models import Assignment
from portal.config import Settings
from portal.courses import services as courses
from portal.documents import pdf
from portal.documents.pdf import Attachment


@dataclass(frozen=True)
class PaperForm:
    """What is printed, as plain values."""

    organization: str
    full_name: str
    job_title: str
    department: str
    campaign: str
    due_on: str
    course: str
    version: int
    content_hash: str
    statement: str
    policy_title: str
    policy_html: str
    notice_html: str
    link: str


def paper_form(assignment: Assignment, *, link: str, settings: Settings) -> bytes:
    """The form of one duty as a PDF; its QR code is `link`, HR's page to record the signature."""
    version = courses.get_version(assignment.course_version_id)
    course = courses.get_course(assignment.course_version_id)
    person = assignment.person
    form = PaperForm(
        organization=settings.organization,
        full_name=person.full_name,
        job_title=person.job_title,
        department=person.department,
        campaign=assignment.campaign.title,
        due_on=assignment.due_on.isoformat(),
        course=course.title,
        version=version.number,
        content_hash=version.content_hash,
        statement=course.statement,
        policy_title=course.policy_title,
        policy_html=course.policy_html,
        notice_html=course.notice_html,
        link=link,
    )
    title, html = sealing.render_page(
        "documents/paper_form.html",
        form,
        language=course.language,
        zone=settings.time_zone,
        catalogues=settings.translations_dir,
    )
    facts: dict[str, Any] = {"assignment": str(assignment.id), "course": version.content_hash}
    return pdf.render(
        html,
        attachment=Attachment("form.json", canonical(facts), "What the form is for"),
        title=title,
        identifier=str(assignment.id),
        author=settings.organization,
        language=course.language,
        created=db.utc_now(),
        stylesheet=sealing.STYLESHEET,
        images={"qr.png": sealing.qr_code(link)},
    )
