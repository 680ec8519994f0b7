"""HR's lists as files: each as CSV and as Excel."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal import db
from portal.audit import services as audit
from portal.campaigns import planning, previewing
from portal.campaigns.models import Assignment, Campaign, DutyDecision
from portal.contractors import scope
from portal.errors import NotFound
from portal.mail.models import Mail
from portal.people.models import Person
from portal.people.services import Identity
from portal.reminders import services as reminders
from portal.reports import declared, figures, log, queries, questions
from portal.reports.queries import Count
from portal.retention import lists as disposals
from portal.retention import services as retention
from portal.retention.models import DisposalList
from portal.spreadsheets import TYPES, make_file

Cells = tuple[object, ...]


@dataclass(frozen=True)
class Kind:
    """One list: its heads, and its rows for a campaign, or for what else it is of."""

    head: Callable[[], list[str]]
    rows: Callable[[Any], Iterable[Cells]]
    find: Callable[[UUID], Any] = planning.get_campaign


@dataclass(frozen=True)
class CityKind:
    """A list that is of nothing but the City."""

    head: Callable[[], list[str]]
    rows: Callable[[], Iterable[Cells]]


def make(name: str, extension: str, of: UUID | None, *, by: Identity) -> BinaryIO:
    """The list as an open file at its start; the log keeps who took it.

    `of`: the campaign's id, or that of what else the list is of. Raises NotFound for a list, a
    campaign, or a kind of file, that there is not. Refuses what is too long for Excel.
    """
    kind = KINDS.get(name)
    if kind is None or extension not in TYPES:
        raise NotFound
    if isinstance(kind, CityKind):
        rows, subject = kind.rows(), name
    elif of is None:
        raise NotFound
    else:
        rows, subject = kind.rows(kind.find(of)), str(of)
    file, number = make_file(extension, kind.head(), rows, title=name)
    with db.transaction():
        audit.record("list.exported", subject=subject, actor=by.id, rows=number)
    return file


def _audience(campaign: Campaign) -> Iterator[Cells]:
    for person, why in previewing.each_person(campaign):
        yield person.full_name, person.username, person.department, why or _("has the duty")


def _declared(campaign: Campaign) -> Iterator[Cells]:
    for each in declared.each_line(campaign.id):
        yield each.full_name, each.department, each.step, each.outcome, each.comment, each.at


def _decisions(campaign: Campaign) -> Iterator[Cells]:
    rows = db.session.execute(
        select(Person.full_name, Assignment.department, DutyDecision)
        .join(Assignment, Assignment.id == DutyDecision.assignment_id)
        .join(Person, Person.id == Assignment.person_id)
        .where(Assignment.campaign_id == campaign.id)
        .options(joinedload(DutyDecision.by))
        .order_by(DutyDecision.at)
        .execution_options(yield_per=500)
    )
    for name, department, each in rows:
        by = each.by.full_name if each.by else _("the portal")
        yield (
            name,
            department,
            each.decision.value,
            each.reason,
            each.until,
            each.due_after,
            by,
            each.at,
        )


def _count(each: Count) -> Cells:
    return (
        each.name,
        each.total + each.waived,
        each.signed,
        each.in_progress,
        each.not_started,
        each.refused,
        each.waived,
    )


def _days(campaign: Campaign) -> Iterator[Cells]:
    for each in figures.over_time(campaign, today=db.today()):
        yield (
            each.day,
            each.people,
            each.signed,
            each.in_progress,
            each.not_started,
            each.overdue,
            each.waived,
            each.refused,
        )


def _questions(campaign: Campaign) -> Iterator[Cells]:
    lines, _at = questions.analyse(campaign.id)
    for line in lines:
        if line.is_shown:
            yield line.section, line.text, line.answered, line.percent, line.discrimination
        else:
            yield line.section, line.text, _("fewer than five"), None, None


def _contractors() -> Iterator[Cells]:
    rows = db.session.scalars(
        select(Person)
        .where(Person.kind == "contractor")
        .order_by(Person.sort_name, Person.id)
        .execution_options(yield_per=500)
    )
    for each in rows:
        yield (
            each.full_name,
            each.username,
            each.email,
            each.firm,
            each.sponsor,
            each.started_on,
            each.ends_on,
            each.left_on,
            each.scope,
        )


def _mails() -> Iterator[Cells]:
    rows = db.session.scalars(
        select(Mail).order_by(Mail.queued_at.desc()).execution_options(yield_per=500)
    )
    for mail in rows:
        yield mail.queued_at, mail.address, mail.subject, mail.state, mail.sent_at, mail.server_said


def _campaigns() -> Iterator[Cells]:
    for each in planning.list_campaigns():
        campaign = each.campaign
        yield (
            campaign.title,
            campaign.opens_on,
            campaign.due_on,
            campaign.launched_at,
            campaign.closed_at,
            each.people,
            each.signed,
        )


def _log() -> Iterator[Cells]:
    for each in log.each_line():
        details = "; ".join(f"{words}: {text}" for words, text in each.details)
        yield each.at, each.what, each.who, each.about, details, each.recorded


def _reminders() -> Iterator[Cells]:
    for each in reminders.list_runs(limit=None):
        yield each.day, each.reminded, each.without_mail, each.lists, each.finished_at


def _holds() -> Iterator[Cells]:
    for each in retention.list_holds():
        of = each.campaign.title if each.campaign else each.person and each.person.full_name
        yield of, each.reason, each.by.full_name, each.at, each.ended_at


def _scope() -> Iterator[Cells]:
    for each in scope.list_decisions():
        of = each.person.full_name if each.person else each.firm
        yield of, each.outcome, each.reason, each.by.full_name, each.at


def _disposal(found: DisposalList) -> Iterator[Cells]:
    for each in disposals.each_item(found.id):
        yield each.full_name, each.title, each.day, each.kept_because, each.done_at


def _numbers(first: str) -> list[str]:
    return [
        first,
        _("Have the duty"),
        _("Signed"),
        _("In progress"),
        _("Not started"),
        _("Do not agree"),
        _("Released"),
    ]


KINDS: dict[str, Kind | CityKind] = {
    "audience": Kind(
        lambda: [_("Name"), _("Username"), _("Department"), _("Duty, or why not")], _audience
    ),
    "declared": Kind(
        lambda: [_("Name"), _("Department"), _("Question"), _("Answer"), _("Comment"), _("On")],
        _declared,
    ),
    "decisions": Kind(
        lambda: [
            _("Name"),
            _("Department"),
            _("Decision"),
            _("Reason"),
            _("Until"),
            _("New due date"),
            _("By"),
            _("On"),
        ],
        _decisions,
    ),
    "departments": Kind(
        lambda: _numbers(_("Department")),
        lambda campaign: map(_count, queries.count_by_department(campaign.id)),
    ),
    "managers": Kind(
        lambda: _numbers(_("Manager")),
        lambda campaign: map(_count, figures.count_by_manager(campaign.id)),
    ),
    "employment": Kind(
        lambda: _numbers(_("Employment")),
        lambda campaign: map(_count, figures.count_by_kind(campaign.id)),
    ),
    "days": Kind(
        lambda: [
            _("Day"),
            _("Have the duty"),
            _("Signed"),
            _("In progress"),
            _("Not started"),
            _("Overdue"),
            _("Released"),
            _("Do not agree"),
        ],
        _days,
    ),
    "questions": Kind(
        lambda: [
            _("Section"),
            _("Question"),
            _("People"),
            _("Right first time (%%)"),
            _("Goes with the other answers (–1 to 1)"),
        ],
        _questions,
    ),
    "disposal": Kind(
        lambda: [_("Name"), _("Campaign"), _("Due, or left, on"), _("Kept because"), _("Gone")],
        _disposal,
        find=disposals.get_list,
    ),
    "campaigns": CityKind(
        lambda: [
            _("Campaign"),
            _("Opens"),
            _("Due"),
            _("Launched"),
            _("Closed"),
            _("Have the duty"),
            _("Signed"),
        ],
        _campaigns,
    ),
    "log": CityKind(
        lambda: [
            _("When"),
            _("What happened"),
            _("By"),
            _("About"),
            _("More"),
            _("As it is recorded"),
        ],
        _log,
    ),
    "reminders": CityKind(
        lambda: [_("Day"), _("Reminded"), _("Without email"), _("Lists"), _("Finished")],
        _reminders,
    ),
    "holds": CityKind(
        lambda: [_("Campaign or person"), _("Reason"), _("By"), _("From"), _("Ended")], _holds
    ),
    "scope": CityKind(
        lambda: [_("Person or group"), _("Decision"), _("Reason"), _("By"), _("On")], _scope
    ),
    "contractors": CityKind(
        lambda: [
            _("Name"),
            _("Username"),
            _("Email"),
            _("Firm or group"),
            _("Sponsor"),
            _("First day"),
            _("Last day"),
            _("Left"),
            _("Scope"),
        ],
        _contractors,
    ),
    "mail": CityKind(
        lambda: [
            _("Queued"),
            _("To"),
            _("Subject"),
            _("State"),
            _("Sent"),
            _("The server said"),
        ],
        _mails,
    ),
}
"""Every list by the name in its address."""
