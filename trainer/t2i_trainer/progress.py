"""One line on stderr: what is done, how fast, how long it will take."""

import sys
import time
from typing import SupportsFloat


class Progress:
    """Prints at most every `every` seconds: done/total, units a second since the last line, time left, and any values
    given."""

    def __init__(self, name: str, total: int, unit: str, done: int = 0, every: float = 5.0):
        self.name, self.total, self.unit, self.every = name, total, unit, every
        self.start = self.last = time.monotonic()
        self.first_done = self.last_done = done

    def update(self, done: int, **values: SupportsFloat) -> None:
        """A value may be a tensor: it is read only when a line is printed."""
        now = time.monotonic()
        if now - self.last < self.every and done < self.total:
            return
        rate = (done - self.last_done) / max(1e-9, now - self.last)
        mean = (done - self.first_done) / max(1e-9, now - self.start)
        left = (self.total - done) / max(1e-9, mean)
        extra = "".join(f" {key}={float(value):.6g}" for key, value in values.items())
        print(
            f"{self.name} {done}/{self.total} {rate:.1f} {self.unit}/s eta={left / 60:.1f}min{extra}",
            file=sys.stderr,
            flush=True,
        )
        self.last, self.last_done = now, done
