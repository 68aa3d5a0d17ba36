"""The table of captions beside images: `metadata.csv` or `metadata.jsonl` with `file_name` and `text`."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ...stage import Issue, StageError
from .candidate import Skipped, caption_of, escapes

TABLES = ("metadata.csv", "metadata.jsonl")
COLUMNS = ("file_name", "text")


def read_table(path: Path, images: set[PurePosixPath]) -> tuple[dict[PurePosixPath, str], list[Skipped]]:
    """Captions by image, and the lines that give none. Raises StageError where the table itself cannot be read."""
    captions: dict[PurePosixPath, str] = {}
    skipped = []
    for line, row in _rows(path):
        name, text = (row.get(column) for column in COLUMNS)
        place = f"{path.name}: line {line}"
        if not isinstance(name, str) or not isinstance(text, str):
            skipped.append(Skipped(place, f"expected {' and '.join(COLUMNS)}, both text"))
        elif escapes(name):
            skipped.append(Skipped(place, f"{name} is outside the folder"))
        elif (image := PurePosixPath(name)) not in images:
            skipped.append(Skipped(place, f"there is no image {name}"))
        elif image in captions:
            skipped.append(Skipped(place, f"{name} has a caption already"))
        else:
            try:
                captions[image] = caption_of(text.encode())
            except ValueError as error:
                skipped.append(Skipped(place, str(error)))
    return captions, skipped


def _rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Numbered lines; a damaged one is an empty row."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, "UTF-8", str(error)) from None
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines(keepends=True))
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise _unreadable(path, f"the columns {' and '.join(COLUMNS)}", f"none of the name {missing[0]}")
        for row in reader:
            yield reader.line_num, row
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, _json_object(line)


def _json_object(line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _unreadable(path: Path, expected: str, received: str) -> StageError:
    return StageError(
        "DATA_INVALID",
        f"{path} cannot be read as a table of captions",
        "Mend the table, or remove it to use one .txt for each image.",
        (Issue(path.name, expected, received),),
    )
