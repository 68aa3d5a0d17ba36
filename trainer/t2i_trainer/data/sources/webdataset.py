"""A WebDataset tar: `stem.jpg` with `stem.txt`, or with `stem.json` that has `caption` or `text`."""

import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from ..layout import IMAGE_ENDINGS
from .candidate import MAX_CAPTION_BYTES, Candidate, Skipped, caption_of, escapes, stem_of

CAPTION_ENDINGS = (".txt", ".json")
CAPTION_KEYS = ("caption", "text")
# Never written anywhere, only read: yet what asks for it is named, since nobody puts it there by mistake.
SPECIAL = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a pipe",
}


def scan_tar(tar: tarfile.TarFile) -> Iterator[Candidate | Skipped]:
    """Images in the order of the tar, then captions without one. Nothing is extracted to a file."""
    images: list[tuple[PurePosixPath, tarfile.TarInfo]] = []
    texts: dict[PurePosixPath, tarfile.TarInfo] = {}
    for member in _members(tar):
        if isinstance(member, Skipped):
            yield member
            continue
        key, ending = split_key(member.name)
        if ending in IMAGE_ENDINGS:
            images.append((key, member))
        elif ending not in CAPTION_ENDINGS:
            yield Skipped(member.name, "is neither an image nor a caption")
        elif key in texts:
            yield Skipped(member.name, f"is a second caption, beside {texts[key].name}")
        else:
            texts[key] = member
    for key, member in images:
        caption = None
        if text := texts.pop(key, None):
            try:
                caption = _caption(tar, text)
            except (ValueError, OSError) as error:
                yield Skipped(text.name, str(error))
        yield Candidate(member.name, stem_of(key), member.size, partial(_read, tar, member), caption)
    for text in texts.values():
        yield Skipped(text.name, "is a caption without an image")


def split_key(name: str) -> tuple[PurePosixPath, str]:
    """WebDataset's key, the path up to the first dot of its last part, and the ending after it, in lower case."""
    path = PurePosixPath(name)
    stem, dot, ending = path.name.partition(".")
    return path.with_name(stem or path.name), (dot + ending).lower()


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo | Skipped]:
    """Regular files that stay within the tar, and what else there is, up to where a damaged tar can be read."""
    last = "its start"
    while True:
        try:
            member = tar.next()
        except (tarfile.TarError, OSError, EOFError) as error:
            yield Skipped(str(tar.name), f"is damaged after {last}: {error}")
            return
        if member is None:
            return
        last = member.name
        if member.isdir():
            continue
        if escapes(member.name):
            yield Skipped(member.name, "has a path that leads out of the tar")
        elif not member.isreg():
            yield Skipped(member.name, SPECIAL.get(member.type, "is not a regular file"))
        elif not PurePosixPath(member.name).name.startswith("."):
            yield member


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a regular file. Raises OSError where the tar ends before they do."""
    try:
        file = tar.extractfile(member)
        # Of a regular file there always is one.
        assert file is not None
        with file:
            return file.read()
    except (tarfile.TarError, EOFError) as error:
        raise OSError(f"the tar is damaged: {error}") from error


def _caption(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.size > MAX_CAPTION_BYTES:
        raise ValueError(f"has {member.size} bytes: too long for a caption")
    data = _read(tar, member)
    if not member.name.lower().endswith(".json"):
        return caption_of(data)
    record = json.loads(data)
    for key in CAPTION_KEYS:
        if isinstance(record, dict) and isinstance(record.get(key), str):
            return caption_of(record[key].encode())
    raise ValueError(f"has no text by the name of {' or '.join(CAPTION_KEYS)}")
