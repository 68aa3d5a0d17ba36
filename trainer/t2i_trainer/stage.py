"""How a stage of a project speaks to the command line that started it: a JSON object a line on standard output.

| event | fields |
| --- | --- |
| progress | what, done, total, unit, rate (units a second), left (seconds), figures (numbers by name) |
| warning | message |
| result | value: what the stage made, for `--json` |
| error | code, message, hint, issues: what is wrong, each with option, expected, received |

Standard error is for people who debug a stage, and what libraries print is sent there. A stage ends with 0 after a
result, and with 1 after an error.
"""

import argparse
import dataclasses
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import SupportsFloat

from pydantic import ValidationError

from .files import DamagedFile
from .params import Params

# What writers say that do not tell the file; the last is torch.save's, which does not tell why either.
DISK_IS_FULL = ("No space left on device", "Disk quota exceeded", "unexpected pos")


@dataclasses.dataclass(frozen=True)
class Issue:
    """One thing that is wrong with the parameters or the data."""

    option: str
    """As the user wrote it, for example `unet.block_out_channels`, or a file."""
    expected: str
    received: str


class StageError(Exception):
    """What a user can mend. Everything else that is raised is a bug, and told with its traceback."""

    def __init__(self, code: str, message: str, hint: str | None = None, issues: tuple[Issue, ...] = ()):
        """`code` is one of the SDK's error codes (src/errors.ts)."""
        super().__init__(message)
        self.code, self.message, self.hint, self.issues = code, message, hint, issues


def emit(event: str, **fields: object) -> None:
    """Writes one event, in one piece: several threads may do so."""
    sys.stdout.write(json.dumps({"event": event, **fields}, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def warn(message: str) -> None:
    emit("warning", message=message)


class StageProgress:
    """Tells how far a stage is, at most every `every` seconds, and at its end."""

    def __init__(
        self,
        what: str,
        total: int,
        unit: str,
        done: int = 0,
        every: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`what` is a word such as `captions`; `done` what an earlier run had done."""
        self.what, self.total, self.unit, self.every, self.clock = what, total, unit, every, clock
        self.start = clock()
        self.last = self.start - every
        self.first = done

    def update(self, done: int, **figures: SupportsFloat) -> None:
        """`done` of `total` are done. A figure may be a tensor: it is read only when an event is written."""
        now = self.clock()
        if now - self.last < self.every and done < self.total:
            return
        self.last = now
        rate = (done - self.first) / max(1e-9, now - self.start)
        left = (self.total - done) / rate if rate > 0 else None
        # JSON has no NaN: a figure that is none is told as null.
        values = {name: value if value - value == 0 else None for name, value in _floats(figures)}
        emit(
            "progress",
            what=self.what,
            done=done,
            total=self.total,
            unit=self.unit,
            rate=rate,
            left=left,
            figures=values,
        )


def _floats(figures: dict[str, SupportsFloat]) -> list[tuple[str, float]]:
    return [(name, float(value)) for name, value in figures.items()]


def main(
    description: str | None,
    stage: Callable[..., object],
    arguments: list[str] | None = None,
    add_flags: Callable[[argparse.ArgumentParser], object] = lambda parser: None,
) -> int:
    """The command line of a stage: `--project FOLDER --params FILE`, the resolved parameters of the project as JSON.

    `stage` takes the folder and the parameters, then by name the values of flags of its own, which
    `add_flags` declares; it returns what it made. Returns the exit code.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True, help="folder of the project")
    parser.add_argument("--params", type=Path, required=True, help="its parameters, resolved, as JSON")
    add_flags(parser)
    flags = vars(parser.parse_args(arguments))
    project, params = flags.pop("project").absolute(), flags.pop("params")
    try:
        value = stage(project, read_params(params), **flags)
    except Exception as error:
        emit("error", **describe(error))
        return 1
    emit("result", value=value)
    return 0


def read_params(path: Path) -> Params:
    """The parameters of a project. Raises StageError with every mistake."""
    try:
        return Params.model_validate_json(path.read_text())
    except ValidationError as error:
        issues = tuple(
            Issue(".".join(map(str, wrong["loc"])), wrong["msg"], repr(wrong["input"])) for wrong in error.errors()
        )
        raise StageError("OPTION_INVALID", f"{path}: invalid parameters", "Correct params.yaml.", issues) from error


def describe(error: Exception) -> dict[str, object]:
    """The fields of the event `error`."""
    if isinstance(error, StageError):
        issues = [dataclasses.asdict(issue) for issue in error.issues]
        return {"code": error.code, "message": error.message, "hint": error.hint, "issues": issues}
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, DamagedFile):
        hint = "Restore the file (git, dvc checkout), or delete it and run again what wrote it."
        return {"code": "DATA_INVALID", "message": str(error), "hint": hint, "issues": []}
    if isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
        hint = "Check the path and its permissions, and that the disk has space."
        return {"code": "IO_FAILED", "message": message, "hint": hint, "issues": []}
    if any(words in str(error) for words in DISK_IS_FULL):
        hint = "Free space where the project lies, and run it again."
        return {"code": "IO_FAILED", "message": "the disk is full", "hint": hint, "issues": []}
    # Not imported at the top: a stage that reads files alone starts without torch.
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        hint = "Use smaller batches or images, or end what else uses the memory."
        return {"code": "OUT_OF_MEMORY", "message": str(error).split("\n")[0], "hint": hint, "issues": []}
    message = "".join(traceback.format_exception(error)).strip()
    return {"code": "INTERNAL", "message": message, "hint": None, "issues": []}
