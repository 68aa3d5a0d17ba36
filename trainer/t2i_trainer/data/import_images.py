"""Imports images and captions into a project. The source is only read, and nothing of the project is overwritten."""

import dataclasses
from pathlib import Path

import numpy as np

from ..files import write_atomically, write_json
from ..stage import Issue, StageError, StageProgress, warn
from .images import MAX_FILE_BYTES, Decoded, ImageRefused, decode, decode_rgb
from .layout import DataFolder
from .sources import opened
from .sources.candidate import Candidate, Skipped

# Room for an ending and for what a temporary name adds, in the 255 bytes that file systems give.
MAX_STEM_BYTES = 200


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What to import, and what to refuse."""

    source: Path = dataclasses.field(metadata={"help": "folder, or WebDataset tar, of images and captions"})
    min_side: int = dataclasses.field(default=64, metadata={"help": "smallest width and height, pixels"})
    class_captions: bool = dataclasses.field(
        default=False, metadata={"help": "make captions of the class names of Oxford-102"}
    )
    strict: bool = dataclasses.field(default=False, metadata={"help": "import nothing where anything would be skipped"})


@dataclasses.dataclass
class Report:
    """What an import did: `import-report.json`."""

    source: str
    imported: int = 0
    already: int = 0
    """Images that an earlier import wrote."""
    captions: int = 0
    without_caption: list[str] = dataclasses.field(default_factory=list)
    """Images imported, whose caption is still to be written."""
    notes: list[Skipped] = dataclasses.field(default_factory=list)
    """What an image lost when it was imported."""
    skipped: list[Skipped] = dataclasses.field(default_factory=list)


def import_images(options: ImportOptions, data: DataFolder) -> dict[str, object]:
    """Imports what can be, and returns the report, with every file that was skipped. The same import again changes
    nothing, and goes on where one was interrupted. Raises StageError for a source that cannot be read and, where
    `strict`, for anything to skip, before it writes."""
    with opened(options.source, options.class_captions) as found:
        if options.strict:
            _refuse_skipped(_run(options, data, found, write=False).skipped, len(found))
        report = _run(options, data, found, write=True)
    path = data.root / "import-report.json"
    write_json(path, dataclasses.asdict(report))
    if report.skipped:
        first = report.skipped[0]
        warn(f"skipped {len(report.skipped)} files, first {first.file}: {first.reason}; all are in {path}")
    return {**dataclasses.asdict(report), "report": str(path)}


def _refuse_skipped(skipped: list[Skipped], count: int) -> None:
    if skipped:
        raise StageError(
            "DATA_INVALID",
            f"{len(skipped)} of {count} files cannot be imported; nothing was imported",
            "Mend or remove these files, or import the rest without --strict.",
            tuple(Issue(file.file, "a file that can be imported", file.reason) for file in skipped),
        )


def _run(options: ImportOptions, data: DataFolder, found: list[Candidate | Skipped], write: bool) -> Report:
    importing = _Import(data, options, write)
    progress = StageProgress("import" if write else "check", len(found), "files")
    for index, entry in enumerate(found, 1):
        importing.take(entry)
        progress.update(index)
    return importing.report


class _Import:
    """One import. Names are compared without their case, since some file systems do."""

    def __init__(self, data: DataFolder, options: ImportOptions, write: bool):
        self.data, self.min_side, self.write = data, options.min_side, write
        self.report = Report(str(options.source))
        self.existing = {path.stem.casefold(): path for path in data.image_files()}
        self.seen: dict[str, Candidate] = {}

    def take(self, entry: Candidate | Skipped) -> None:
        if isinstance(entry, Skipped):
            self._skip(entry.file, entry.reason)
            return
        try:
            self._check_name(entry)
            data = self._read(entry)
            decoded = decode(data)
            self._take_image(entry, data, decoded)
        except ImageRefused as refusal:
            self._skip(entry.file, str(refusal))
            return
        self.report.notes += [Skipped(printable(entry.file), note) for note in decoded.notes]
        self._take_caption(entry)

    def _skip(self, file: str, reason: str) -> None:
        self.report.skipped.append(Skipped(printable(file), printable(reason)))

    def _check_name(self, entry: Candidate) -> None:
        stem = entry.stem
        if printable(stem) != stem:
            raise ImageRefused("has a name that is not UTF-8")
        if stem.startswith(".") or len(stem.encode()) > MAX_STEM_BYTES:
            raise ImageRefused(f"has a name that starts with a dot or is longer than {MAX_STEM_BYTES} bytes")
        first = self.seen.setdefault(stem.casefold(), entry)
        if first is not entry:
            case = " but for its case" if first.stem != stem else ""
            raise ImageRefused(f"has the name of {first.file}{case}")

    def _read(self, entry: Candidate) -> bytes:
        if entry.size > MAX_FILE_BYTES:
            raise ImageRefused(f"has {entry.size} bytes: expected at most {MAX_FILE_BYTES}")
        try:
            return entry.read()
        except OSError as error:
            raise ImageRefused(f"cannot be read: {error}") from error

    def _take_image(self, entry: Candidate, data: bytes, decoded: Decoded) -> None:
        width, height = decoded.image.size
        if min(width, height) < self.min_side:
            raise ImageRefused(f"has {width}x{height} pixels: expected at least {self.min_side} on each side")
        existing = self.existing.get(entry.stem.casefold())
        if existing is None:
            self._write_image(entry.stem, data, decoded)
            self.report.imported += 1
        elif existing.stem == entry.stem and _same_image(existing, data, decoded):
            self.report.already += 1
        else:
            raise ImageRefused(f"the project has another image of this name, images/{existing.name}")

    def _write_image(self, stem: str, data: bytes, decoded: Decoded) -> None:
        if not self.write:
            return
        if decoded.unchanged:
            write_atomically(self.data.images / f"{stem}.jpg", lambda path: path.write_bytes(data))
        else:
            write_atomically(self.data.images / f"{stem}.png", lambda path: decoded.image.save(path, "PNG"))

    def _take_caption(self, entry: Candidate) -> None:
        path = self.data.caption_file(entry.stem)
        existing = path.read_text("utf-8", "replace").strip() if path.exists() else ""
        if entry.caption is None:
            if not existing:
                self.report.without_caption.append(entry.file)
        elif not existing:
            if self.write:
                self.data.write_caption(entry.stem, entry.caption)
            self.report.captions += 1
        elif existing != entry.caption:
            self._skip(entry.file, f"keeps its caption: the project has another one in captions/{path.name}")


def _same_image(existing: Path, data: bytes, decoded: Decoded) -> bool:
    """Whether a file holds these bytes or, since encoders of PNG differ, these pixels."""
    held = existing.read_bytes()
    if held == data:
        return True
    try:
        return np.array_equal(np.asarray(decode_rgb(held)), np.asarray(decoded.image))
    except ImageRefused:
        return False


def printable(name: str) -> str:
    """A file name as it can be written: bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()
