"""The thread that sends a spool, so that training never waits for a server."""

import threading
from collections.abc import Callable

from ..stage import warn
from .server_run import End, ServerRun

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds after a failure: at first, and after doubling again and again."""


class Sender(threading.Thread):
    """Sends what the spool gains, and tries again where that fails, until it is told how the run ended."""

    def __init__(self, connect: Callable[[], ServerRun], explain: Callable[[Exception], str]):
        """`connect` finds the run on the server; `explain` puts a failure in words, which are told once."""
        super().__init__(name="tracking", daemon=True)
        self.connect, self.explain = connect, explain
        self.run_there: ServerRun | None = None
        self.told: set[str] = set()
        self.failed = False
        """Whether the last try failed."""
        self._end: End | None = None
        self._news, self._ended = threading.Event(), threading.Event()

    def wake(self) -> None:
        """The spool has something new."""
        self._news.set()

    def close(self, end: End, seconds: float) -> bool:
        """Sends what is left in one last try, at most `seconds` long. Returns whether the server has everything."""
        self._end = end
        self._ended.set()
        self._news.set()
        self.join(seconds)
        return not (self.is_alive() or self.failed)

    def run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            self._news.clear()
            last = self._ended.is_set()
            self.failed = not self._try(last)
            if last:
                return
            if self.failed:
                self._ended.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                self._news.wait()

    def _try(self, last: bool) -> bool:
        try:
            self.run_there = self.run_there or self.connect()
            self.run_there.send()
            if last and self._end:
                self.run_there.end(self._end)
        except Exception as error:
            # What the server did is not known: it is asked before anything is sent again.
            self.run_there = None
            words = self.explain(error)
            if words not in self.told:
                self.told.add(words)
                warn(words)
            return False
        return True
