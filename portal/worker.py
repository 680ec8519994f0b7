"""Every kind of work that the worker does, in the order in which it asks."""

from portal.attestations.sealing import EVIDENCE
from portal.audit.checkpoints import CHECKPOINT
from portal.campaigns.deciding import SETTLE
from portal.campaigns.giving import FILL
from portal.mail.delivery import MAIL
from portal.people.syncing import SYNC, WATCH
from portal.reminders.services import REMIND
from portal.reports.making import EXPORT
from portal.retention.disposing import DISPOSE

JOBS = (EVIDENCE, MAIL, WATCH, SYNC, FILL, SETTLE, REMIND, EXPORT, DISPOSE, CHECKPOINT)
