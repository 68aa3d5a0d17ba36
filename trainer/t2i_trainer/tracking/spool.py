"""`tracking.jsonl` in a run's folder: all that was ever to be sent, so that a server that is away misses nothing.

The first line names the run; each further one holds the figures of a step, with null for one that is NaN or infinite.
"""

import json
import math
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from ..files import read_json_lines, write_atomically


class Figure(NamedTuple):
    """A value of a metric."""

    name: str
    step: int
    value: float
    time: int
    """Milliseconds since 1970."""


class Spool:
    """The file of one run. One thread adds; others may read `figures`."""

    def __init__(self, folder: Path):
        self.file = folder / "tracking.jsonl"
        self.run = ""
        """Name by which the server finds the run again, whatever happened to the answer to its creation."""
        self.started = 0
        """Milliseconds since 1970."""
        self.figures: list[Figure] = []
        self.left_out = 0
        """Figures that were no numbers."""
        self._known: set[tuple[str, int]] = set()

    def open(self, run: str | None, config_hash: str) -> str:
        """Goes on with `run`; where None is given, with a run of the same configuration that was killed before its
        first checkpoint, or else begins one. The file of another run is moved aside. Returns the run's name."""
        lines = read_json_lines(self.file)
        # Without its first line, which was damaged, nothing tells whose the figures are.
        owner = lines[0].get("run", "damaged") if lines else run
        if lines and run != owner and (run is not None or lines[0].get("config_hash") != config_hash):
            self.file.rename(self.file.with_name(f"tracking.{owner}.jsonl"))
            lines = []
        if not lines:
            lines = [{"run": run or uuid.uuid4().hex, "config_hash": config_hash, "time": _now()}]
        # Written anew, since a kill may have cut off its last line.
        write_atomically(self.file, lambda path: path.write_text("".join(json.dumps(line) + "\n" for line in lines)))
        self.run, self.started = lines[0]["run"], lines[0]["time"]
        for line in lines[1:]:
            self._take(line)
        return self.run

    def add(self, step: int, figures: dict[str, float]) -> None:
        """Adds figures of a step; one that a killed run added before, and a resumed one repeats, keeps its value."""
        new = {
            name: value if math.isfinite(value) else None
            for name, value in figures.items()
            if (name, step) not in self._known
        }
        if new:
            line = {"step": step, "time": _now(), "figures": new}
            with self.file.open("a") as lines:
                lines.write(json.dumps(line, allow_nan=False) + "\n")
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        for name, value in line["figures"].items():
            self._known.add((name, line["step"]))
            if value is None:
                self.left_out += 1
            else:
                self.figures.append(Figure(name, line["step"], value, line["time"]))


def _now() -> int:
    return time.time_ns() // 1_000_000
