"""Pages on which HR and authors see what was published, as it was read."""

import re
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from markupsafe import Markup

from portal.config import Role
from portal.courses import content, services
from portal.courses.course import AboutYou, Page, Quiz, Scenario, Step
from portal.errors import NotFound, Refused
from portal.web import hands_out_file, requires

bp = Blueprint("courses", __name__)

KINDS: dict[type[Step], str] = {
    Page: "page",
    Scenario: "scenario",
    AboutYou: "about_you",
    Quiz: "quiz",
}
_FROM_RESULT = re.compile(r'href="\.\./\.\./([a-z0-9-]+/)')


@bp.get("/")
@requires(Role.HR, Role.AUTHOR)
def versions() -> ResponseReturnValue:
    """List every version of every course."""
    return render_template("courses/versions.html", versions=services.list_versions())


@bp.get("/drafts")
@requires(Role.HR, Role.AUTHOR)
def drafts() -> ResponseReturnValue:
    """The courses as their files stand now: what can be published, and what is wrong."""
    folder = current_app.extensions["settings"].content_dir
    return render_template("courses/drafts.html", drafts=services.list_drafts(folder))


@bp.post("/drafts/<key>")
@requires(Role.HR, Role.AUTHOR)
def publish(key: str) -> ResponseReturnValue:
    """Publish a course as it stands; HR then says whether people have to sign it again."""
    folder = current_app.extensions["settings"].content_dir
    if key not in content.list_keys(folder):
        raise NotFound
    try:
        version = services.publish(folder, key, by=current_user.id)
    except content.ContentInvalid as fault:
        raise Refused(str(fault)) from None
    if not version.change and Role.HR in current_user.roles:
        return redirect(url_for("campaigns.version", version_id=version.id))
    flash(
        _(
            "Version %(number)s of %(title)s is published.",
            number=version.number,
            title=version.title,
        )
    )
    return redirect(url_for(".versions"))


@bp.get("/<uuid:version_id>")
@requires(Role.HR, Role.AUTHOR)
def version(version_id: UUID) -> ResponseReturnValue:
    """Show one version: its words for signing, its policy, and the list of its steps."""
    return render_template(
        "courses/version.html",
        version=services.get_version(version_id),
        course=services.get_course(version_id),
        kinds=KINDS,
    )


@bp.get("/<uuid:version_id>/<section>/<slug>")
@requires(Role.HR, Role.AUTHOR)
def step(version_id: UUID, section: str, slug: str) -> ResponseReturnValue:
    """Show one step whole: every choice with its consequence, every option with its feedback."""
    course = services.get_course(version_id)
    steps = list(course.steps())
    place = next((at for at, each in enumerate(steps) if each.key == f"{section}/{slug}"), None)
    if place is None:
        raise NotFound
    return render_template(
        "courses/step.html",
        version=services.get_version(version_id),
        course=course,
        step=steps[place],
        kind=KINDS[type(steps[place])],
        titles={each.key: each.title for each in steps},
        following=steps[place + 1] if place + 1 < len(steps) else None,
        here=_here,
    )


@bp.get("/<uuid:version_id>/archive")
@requires(Role.HR, Role.AUTHOR)
@hands_out_file
def archive(version_id: UUID) -> ResponseReturnValue:
    """Hand out the exact files of a version."""
    found = services.get_version(version_id)
    return Response(
        services.get_archive(version_id),
        mimetype="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{found.file_name}"'},
    )


def _here(html: str) -> Markup:
    """Text for a result page, with links that work one level higher, where it is shown here."""
    return Markup(_FROM_RESULT.sub(r'href="../\1', html))  # noqa: S704 - sanitized by content
