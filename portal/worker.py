"""Every kind of work that the worker does, in the order in which it asks."""

from portal.attestations.sealing import EVIDENCE
from portal.audit.checkpoints import CHECKPOINT

JOBS = (EVIDENCE, CHECKPOINT)
