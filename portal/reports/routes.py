"""Who has signed: figures, lists, one person, and the records as files."""

from dataclasses import asdict
from urllib.parse import urlencode
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import db
from portal.attestations import recording
from portal.attestations import services as attestations
from portal.audit import services as audit
from portal.audit.checkpoints import Signer, list_checkpoints, load_signer
from portal.campaigns import deciding, leaves, planning
from portal.campaigns.models import STATUS_WORDS, DutyDecision
from portal.config import Role
from portal.directory import syncing
from portal.people import services as people
from portal.reports import declared, downloads, exports, lists, making, queries, tallies
from portal.reports import figures as figures_of
from portal.reports import log as entries
from portal.reports import questions as questions_of
from portal.reports.forms import FiltersForm
from portal.reports.log_words import ACTIONS
from portal.reports.queries import Filters, Sort
from portal.spreadsheets import TYPES
from portal.web import hands_out_file, page_number, requires

bp = Blueprint("reports", __name__)


@bp.get("/")
@requires(Role.HR)
def who_has_signed() -> ResponseReturnValue:
    """Key figures, the chart by department, and the list of people."""
    campaigns = queries.list_campaigns()
    if not campaigns:
        return render_template("reports/who_has_signed.html", campaign=None)
    chosen = _chosen(campaigns)
    filters, form = _filters()
    counts = queries.count_by_department(chosen[0])
    form.department.choices = [("", _all()), *((each.name, each.name) for each in counts)]
    sort, descending = _sort()
    page = page_number()
    count = queries.count_people(chosen[0], filters, today=db.today())
    pages = max(1, -(-count // queries.PER_PAGE))
    people = queries.list_people(
        chosen[0],
        filters,
        today=db.today(),
        sort=sort,
        descending=descending,
        page=min(page, pages),
    )
    return render_template(
        "reports/who_has_signed.html",
        campaigns=campaigns,
        campaign=chosen,
        form=form,
        filters=filters,
        counts=counts,
        total=queries.total(counts),
        overdue=queries.count_overdue(chosen[0], today=db.today()),
        people=people,
        count=count,
        page=min(page, pages),
        pages=pages,
        sort=sort,
        descending=descending,
        today=db.today(),
        now=db.utc_now(),
        query=_query(chosen[0], filters),
    )


@bp.get("/figures")
@requires(Role.HR)
def figures() -> ResponseReturnValue:
    """How a campaign went over time, and how its parts stand."""
    campaigns = queries.list_campaigns()
    if not campaigns:
        return render_template("reports/figures.html", campaign=None)
    chosen = planning.get_campaign(_chosen(campaigns)[0])
    counted, counted_at = tallies.get_figures(chosen, today=db.today())
    days = counted.days
    names = ("people", "signed", "in_progress", "overdue", "waived", "refused")
    return render_template(
        "reports/figures.html",
        campaign=chosen,
        days=days,
        weeks=figures_of.by_week(days),
        curve=figures_of.draw(days, due_on=chosen.due_on, names=names) if days else None,
        departments=counted.departments,
        managers=figures_of.name_managers(counted.managers),
        most_managers=figures_of.MOST_MANAGERS,
        kinds=figures_of.name_kinds(counted.kinds),
        counted_at=counted_at,
        today=db.today(),
    )


@bp.get("/questions")
@requires(Role.HR)
def questions() -> ResponseReturnValue:
    """How the questions do, never per person."""
    campaigns = queries.list_campaigns()
    chosen = _chosen(campaigns) if campaigns else None
    lines, counted_at = questions_of.analyse(chosen[0]) if chosen else ([], None)
    return render_template(
        "reports/questions.html", campaign=chosen, lines=lines, counted_at=counted_at
    )


@bp.get("/people/<uuid:person_id>")
@requires(Role.HR)
def person(person_id: UUID) -> ResponseReturnValue:
    """One person: duties, records, and what they said when they did not agree."""
    duties = queries.list_duties_of(person_id)
    decisions: dict[UUID, list[DutyDecision]] = {}
    for each in deciding.list_decisions([duty.id for duty in duties]):
        decisions.setdefault(each.assignment_id, []).append(each)
    return render_template(
        "reports/person.html",
        person=people.get_person(person_id),
        duties=duties,
        decisions=decisions,
        leaves=leaves.list_leaves(person_id),
        changes=syncing.list_changes(person_id),
        records=recording.list_records([duty.id for duty in duties]),
        today=db.today(),
    )


@bp.get("/records/<uuid:attestation_id>.pdf")
@requires(Role.HR)
@hands_out_file
def record(attestation_id: UUID) -> ResponseReturnValue:
    """One sealed PDF; the log keeps who took it."""
    name = queries.record_name(attestation_id)
    pdf = attestations.get_pdf(attestation_id, by=current_user)
    return Response(
        pdf,
        mimetype="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@bp.get("/people.csv")
@requires(Role.HR)
@hands_out_file
def people_csv() -> ResponseReturnValue:
    """The filtered list, streamed."""
    chosen, (filters, _form) = _chosen(queries.list_campaigns()), _filters()
    day = db.today()
    with db.transaction():
        rows = queries.count_people(chosen[0], filters, today=day)
        audit.record("list.exported", subject=chosen[0], actor=current_user.id, rows=rows)
    lines = exports.csv_of(
        chosen[0], filters, today=day, words=lambda key: str(STATUS_WORDS.get(key, key))
    )
    return Response(
        downloads.limited(lines),
        mimetype="text/csv",
        headers={"Content-Disposition": f"attachment; filename=who-has-signed-{day}.csv"},
    )


@bp.get("/records.zip")
@requires(Role.HR)
@hands_out_file
def records_zip() -> ResponseReturnValue:
    """Fix what the ZIP holds by a checkpoint, and lead to the ZIP of that checkpoint."""
    chosen, (filters, _form) = _chosen(queries.list_campaigns()), _filters()
    size = exports.begin_zip(
        chosen[0], filters, by=current_user, signer=_signer(), today=db.today()
    )
    address = url_for(".records_zip_at", size=size)
    return redirect(f"{address}?{_query(chosen[0], filters)}")


@bp.get("/records-<int:size>.zip")
@requires(Role.HR)
@hands_out_file
def records_zip_at(size: int) -> ResponseReturnValue:
    """All signed records that the checkpoint covers, streamed; any range can be asked for."""
    chosen, (filters, _form) = _chosen(queries.list_campaigns()), _filters()
    layout = exports.lay_out_zip(
        chosen[0],
        filters,
        size=size,
        signer=_signer(),
        engine=current_app.extensions["engine"],
        today=db.today(),
    )
    db.finish(keep=False)  # nothing stays open while a slow line takes its time
    archive = layout.archive
    start, stop, status = 0, archive.size, 200
    asked = request.range
    same = request.if_range.etag in {None, archive.etag}
    if asked is not None and asked.units == "bytes" and len(asked.ranges) == 1 and same:
        wanted = asked.range_for_length(archive.size)
        if wanted is None:
            return Response(status=416, headers={"Content-Range": f"bytes */{archive.size}"})
        (start, stop), status = wanted, 206
    response = Response(
        downloads.limited(archive.read(layout.reader, start, stop)),
        status=status,
        mimetype="application/zip",
        headers={
            "Content-Length": str(stop - start),
            "Accept-Ranges": "bytes",
            "Content-Disposition": f"attachment; filename=signed-records-{size}.zip",
        },
    )
    response.set_etag(archive.etag)
    if status == 206:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{archive.size}"
    return response


@bp.get("/declared")
@requires(Role.HR)
def list_declared() -> ResponseReturnValue:
    """What people declared about themselves: what HR may have to act on, or everything."""
    campaigns = queries.list_campaigns()
    chosen = _chosen(campaigns) if campaigns else None
    page = page_number()
    everything = bool(request.args.get("all"))
    lines, is_last = (
        declared.list_lines(chosen[0], everything=everything, page=page) if chosen else ([], True)
    )
    return render_template(
        "reports/list_declared.html",
        campaign=chosen,
        lines=lines,
        is_last=is_last,
        page=page,
        everything=everything,
    )


@bp.get("/lists/<name>.<extension>")
@requires(Role.HR)
@hands_out_file
def list_file(name: str, extension: str) -> ResponseReturnValue:
    """One of HR's lists, as CSV or as Excel."""
    file = lists.make(name, extension, request.args.get("of", type=UUID), by=current_user)
    return send_file(
        file,
        mimetype=TYPES[extension],
        as_attachment=True,
        download_name=f"{name}-{db.today()}.{extension}",
    )


@bp.get("/exports")
@requires(Role.HR)
def exports_made() -> ResponseReturnValue:
    """The last files that HR asked for."""
    return render_template("reports/exports_made.html", exports=making.list_exports())


@bp.post("/exports")
@requires(Role.HR)
def request_export() -> ResponseReturnValue:
    """Ask for a file; the worker makes it."""
    chosen, (filters, _form) = _chosen(queries.list_campaigns()), _filters()
    made = making.request_export(request.form.get("kind", ""), chosen[0], filters, by=current_user)
    return redirect(url_for(".export", export_id=made.id))


@bp.get("/exports/<uuid:export_id>")
@requires(Role.HR)
def export(export_id: UUID) -> ResponseReturnValue:
    """How far the file is; it may be left alone, a mail comes."""
    found = making.get_export(export_id)
    page = render_template("reports/export.html", export=found, now=db.utc_now())
    return page, {"Refresh": "3"} if found.under_way else {}


@bp.get("/exports/<uuid:export_id>/file")
@requires(Role.HR)
@hands_out_file
def export_file(export_id: UUID) -> ResponseReturnValue:
    """The file; any range of it can be asked for, so that a cut download goes on."""
    found = making.get_export(export_id)
    path = making.path_of(found)
    if found.ready_at is None or found.removed_at is not None or not path.is_file():
        abort(404)
    if request.method == "GET" and request.range is None:
        with db.transaction():
            audit.record("export.downloaded", subject=export_id, actor=current_user.id)
    return send_file(
        path,
        as_attachment=True,
        download_name=found.file_name,
        conditional=True,
        etag=found.sha256,
    )


@bp.get("/log")
@requires(Role.HR)
def log() -> ResponseReturnValue:
    """The log, newest first: all of it, one action, or what is about one thing."""
    page = page_number()
    action, about = request.args.get("action", ""), request.args.get("about", "")
    action = action if action in ACTIONS else ""
    lines, has_more = entries.list_lines(page=page, action=action, subject=about)
    return render_template(
        "reports/log.html",
        lines=lines,
        has_more=has_more,
        page=page,
        action=action,
        actions=ACTIONS,
        about=about,
        about_name=entries.name_of(about),
    )


@bp.get("/checkpoint.txt")
@requires(Role.HR)
@hands_out_file
def checkpoint() -> ResponseReturnValue:
    """The newest signed checkpoint with the public key that it is checked with."""
    kept = list_checkpoints()
    if not kept:
        abort(404)
    return Response(
        f"{_signer().verifier_key}\n\n{kept[0].note}",
        mimetype="text/plain",
        headers={"Content-Disposition": f"attachment; filename=checkpoint-{kept[0].size}.txt"},
    )


def _signer() -> Signer:
    return load_signer(current_app.extensions["settings"])


def _all() -> str:
    return str(FiltersForm.status.kwargs["choices"][0].label)


def _chosen(campaigns: queries.Campaigns) -> queries.CampaignLine:
    """The campaign that the address names; the newest without one."""
    asked = request.args.get("campaign")
    for line in campaigns:
        if asked in {None, "", str(line[0])}:
            return line
    abort(404)


def _filters() -> tuple[Filters, FiltersForm]:
    form = FiltersForm(request.args)
    return form.read(), form


def _sort() -> tuple[Sort, bool]:
    asked = request.args.get("sort", "")
    name = asked.removeprefix("-")
    return (Sort(name) if name in set(Sort) else Sort.NAME), asked.startswith("-")


def _query(campaign_id: UUID, filters: Filters) -> str:
    """The filters as they stand in an address."""
    given = {name: value for name, value in asdict(filters).items() if value}
    return urlencode({"campaign": str(campaign_id), **given})
