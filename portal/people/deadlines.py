"""One thread that ends what takes too long: a thread for each question costs half a millisecond."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count


class Deadlines:
    """Calls what is still waiting when its moment (of time.monotonic) has come."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._next = float("inf")  # when the thread looks again
        self._keys = count()

    @contextmanager
    def over_at(self, moment: float, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` at this moment, if the block is not done by then."""
        key = next(self._keys)
        with self._changed:
            self._waiting[key] = moment, end
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()
            elif moment < self._next:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._waiting.pop(key, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for key, (moment, end) in list(self._waiting.items()):
                    if moment <= now:
                        del self._waiting[key]
                        end()
                self._next = min((each[0] for each in self._waiting.values()), default=float("inf"))
                self._changed.wait(None if self._next == float("inf") else self._next - now)


DEADLINES = Deadlines()
