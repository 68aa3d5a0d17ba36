"""SIGTERM, by which a machine that is about to go away asks a training to end."""

import signal
from types import FrameType


class StopAsked:
    """Inside a `with` block: `asked` becomes true at SIGTERM, which then does nothing else."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "StopAsked":
        self.before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
