"""SIGTERM, by which a machine that is about to go away asks a training to end, and SIGINT, by which a person does."""

import signal
from types import FrameType


class StopAsked:
    """Inside a `with` block: `asked` becomes true at one of these signals, which then do nothing else, however often
    they come: a terminal, the command line and torchrun each pass Ctrl-C on."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "StopAsked":
        self.before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
