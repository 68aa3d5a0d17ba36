"""Writing so that a reader never sees half a file: a temporary name in the same folder, synced, then renamed."""

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` with a temporary path beside `path`, syncs what it wrote and renames it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Writes `value` as indented JSON with a newline at its end, atomically."""
    write_atomically(
        path, lambda temporary: temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    )


def without_nan(value: Any) -> Any:
    """A JSON value with null for each number that JSON does not have."""
    if isinstance(value, dict):
        return {name: without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_sha256(values: object) -> str:
    """SHA-256, in hex, of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


class DamagedFile(ValueError):
    """A file that should be JSON, and is not."""


def read_json(path: Path) -> Any:
    """The JSON value of a file. Raises DamagedFile."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged: {error}") from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a log to which lines are added; none where there is no such file.

    A kill may have cut off the last line, and a power failure left zeros or worse: such lines are left out.
    """
    if not path.exists():
        return []
    lines = path.read_text(errors="replace").splitlines(keepends=True)
    values = [_parsed(line) for line in lines if line.endswith("\n")]
    return [value for value in values if isinstance(value, dict)]


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def read_samples(folder: Path) -> list[dict]:
    """The lines of a data set's `samples.jsonl`, in the order of its images."""
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def tensor_sha256(tensor: "Tensor") -> str:
    """SHA-256 of a CPU tensor's values as they are in memory, in hex."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
