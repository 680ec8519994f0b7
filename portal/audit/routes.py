"""The auditor's view of the log."""

import json
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.audit import checkpoints, services
from portal.config import Role
from portal.web import requires

bp = Blueprint("audit", __name__)


@bp.get("/")
@requires(Role.HR)
def log() -> ResponseReturnValue:
    """The log, newest first, with a filter by action."""
    page = request.args.get("page", 1, type=int)
    if page < 1:
        abort(404)
    action = request.args.get("action", "")
    rows = services.list_entries(page=page, action=action if action in services.ACTIONS else "")
    entries = [
        (position, at, name, subject, json.loads(leaf)["details"])
        for position, at, name, subject, leaf in rows[:50]
    ]
    return render_template(
        "audit/log.html",
        entries=entries,
        action=action,
        actions=sorted(services.ACTIONS),
        page=page,
        has_more=len(rows) > 50,
        here=url_for(".log") + "?" + urlencode({"action": action}),
    )


@bp.get("/checkpoint.txt")
@requires(Role.HR)
def checkpoint() -> ResponseReturnValue:
    """The newest signed checkpoint with the public key that it is checked with."""
    kept = checkpoints.list_checkpoints()
    if not kept:
        abort(404)
    signer = checkpoints.load_signer(current_app.extensions["settings"])
    text = f"{signer.verifier_key}\n\n{kept[0].note}"
    return Response(
        text,
        mimetype="text/plain",
        headers={"Content-Disposition": f"attachment; filename=checkpoint-{kept[0].size}.txt"},
    )
