"""Every kind of work that the worker does, in the order in which it asks."""

from portal.attestations.sealing import EVIDENCE
from portal.audit.checkpoints import CHECKPOINT
from portal.campaigns.deciding import EXEMPT
from portal.campaigns.extending import EXTEND
from portal.campaigns.giving import FILL
from portal.campaigns.leaves import GIVE_BACK, SETTLE
from portal.contractors.contracts import ENDINGS, WARNINGS
from portal.directory.roles import EXPIRE
from portal.directory.syncing import SYNC, WATCH
from portal.mail.delivery import MAIL
from portal.reminders.services import REMIND
from portal.reports.making import EXPORT
from portal.reports.tallies import TALLY
from portal.retention.disposing import DISPOSE, FORGET
from portal.statistics import STATISTICS

JOBS = (
    EVIDENCE,
    MAIL,
    WATCH,
    SYNC,
    EXPIRE,
    ENDINGS,
    WARNINGS,
    FILL,
    EXEMPT,
    EXTEND,
    SETTLE,
    GIVE_BACK,
    REMIND,
    EXPORT,
    DISPOSE,
    FORGET,
    CHECKPOINT,
    TALLY,
    STATISTICS,
)
