"""What a source holds."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import PurePosixPath

# The longest caption that is taken for one, in bytes.
MAX_CAPTION_BYTES = 2**20


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An image that may be imported."""

    file: str
    """Its path in the source."""
    stem: str
    """Its name in the project, without an ending."""
    size: int
    """Bytes."""
    read: Callable[[], bytes]
    """May raise OSError."""
    caption: str | None
    """None where the source has none."""


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A file that is not imported."""

    file: str
    reason: str


def stem_of(path: PurePosixPath) -> str:
    """The name in the project of an image at this relative path, given without its ending: folders with hyphens."""
    return "-".join(path.parts)


def escapes(name: str) -> bool:
    """Whether a path that a source gives leads out of the source."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or not path.parts or os.path.splitdrive(name)[0] != ""


def caption_of(data: bytes) -> str:
    """The caption that a text file holds, its lines ended by line feeds. Raises ValueError with the reason where it
    holds none."""
    if len(data) > MAX_CAPTION_BYTES:
        raise ValueError(f"has {len(data)} bytes: too long for a caption")
    try:
        caption = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    if not caption:
        raise ValueError("is an empty caption")
    return caption
