"""A folder of images whose captions are beside them (`a.jpg`, `a.txt`), in a folder of their own (`images/a.jpg`,
`captions/a.txt`) or in a table (`metadata.csv` or `metadata.jsonl` with `file_name` and `text`, as Hugging Face's
imagefolder has it)."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..layout import IMAGE_ENDINGS
from .candidate import Candidate, Skipped, caption_of, stem_of
from .metadata import TABLES, read_table


def scan_folder(root: Path) -> Iterator[Candidate | Skipped]:
    """Images with their captions, then what else is there; hidden files are left alone."""
    files = list(_walk(root))
    images = [path for path in files if path.suffix.lower() in IMAGE_ENDINGS]
    rest = set(files) - set(images)
    if tables := [name for name in TABLES if PurePosixPath(name) in rest]:
        rest.discard(PurePosixPath(tables[0]))
        captions, refused = read_table(root / tables[0], set(images))
    else:
        captions, refused = _read_captions(root, images, rest)
    yield from refused
    for path in images:
        location = root / path
        if not location.is_file():
            yield Skipped(str(path), "is not a regular file")
            continue
        key = _below(path, "images").with_suffix("")
        yield Candidate(str(path), stem_of(key), location.stat().st_size, location.read_bytes, captions.get(path))
    for path in sorted(rest):
        reason = "is a caption without an image" if path.suffix == ".txt" else "is neither an image nor a caption"
        yield Skipped(str(path), reason)


def _walk(root: Path) -> Iterator[PurePosixPath]:
    """Relative paths of all files, folder by folder, ordered by name."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield PurePosixPath((Path(folder) / name).relative_to(root).as_posix())


def _below(path: PurePosixPath, folder: str) -> PurePosixPath:
    """The path within `folder`, where it is there."""
    return PurePosixPath(*path.parts[1:]) if path.parts[0] == folder and len(path.parts) > 1 else path


def _read_captions(
    root: Path, images: list[PurePosixPath], rest: set[PurePosixPath]
) -> tuple[dict[PurePosixPath, str], list[Skipped]]:
    """Captions by image, and those that hold none; takes the files that belong to an image out of `rest`."""
    captions: dict[PurePosixPath, str] = {}
    refused: dict[PurePosixPath, str] = {}
    taken = set()
    for image in images:
        beside = image.with_suffix(".txt")
        own_folder = PurePosixPath("captions", _below(image, "images").with_suffix(".txt"))
        for path in (beside, own_folder):
            if path not in rest:
                continue
            taken.add(path)
            try:
                captions[image] = caption_of((root / path).read_bytes())
            except (ValueError, OSError) as error:
                refused[path] = str(error)
            break
    rest -= taken
    return captions, [Skipped(str(path), reason) for path, reason in refused.items()]
