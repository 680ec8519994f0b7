"""Who looks after whose team: the door keeps it, for reminders ask it too."""

from portal.people.models import Delegation

__all__ = ["Delegation"]
