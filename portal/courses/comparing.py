"""What differs between two versions of a course (pure)."""

from collections.abc import Set
from dataclasses import dataclass
from functools import lru_cache

from portal.courses.course import Change, Course


@dataclass(frozen=True)
class Difference:
    """Titles of steps that are new, changed or gone, and whether the words to sign changed."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    policy_changed: bool
    statement_changed: bool
    rows: tuple[Change, ...]  # the author's own summary

    @property
    def is_empty(self) -> bool:
        """Nothing that a person reads, answers or signs has changed."""
        return not (
            self.added
            or self.changed
            or self.removed
            or self.policy_changed
            or self.statement_changed
        )


@lru_cache(maxsize=64)
def compare(before: Course, now: Course) -> Difference:
    """What a person who knows `before` would find different in `now`."""
    old = {step.key: step for step in before.steps()}
    new = {step.key: step for step in now.steps()}
    return Difference(
        added=tuple(step.title for key, step in new.items() if key not in old),
        changed=tuple(step.title for key, step in new.items() if key in old and step != old[key]),
        removed=tuple(step.title for key, step in old.items() if key not in new),
        policy_changed=before.policy_html != now.policy_html,
        statement_changed=before.statement != now.statement,
        rows=now.changes,
    )


@lru_cache(maxsize=64)
def changed_steps(before: Course, now: Course) -> Set[str]:
    """Keys of the steps of `now` that are new or not as they were."""
    old = {step.key: step for step in before.steps()}
    return frozenset(step.key for step in now.steps() if old.get(step.key) != step)
