"""A model folder as one zip file, and the way back: every file is listed with its SHA-256, and no other comes out."""

import dataclasses
import hashlib
import json
import os
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .files import sha256_file, write_atomically
from .stage import Issue, StageError, StageProgress

MANIFEST = "t2i-pack.json"
FORMAT_VERSION = 1
LARGEST_MANIFEST = 16 * 2**20
PIECE = 2**20
# Bit of a zip entry's flags.
ENCRYPTED = 1
# The same files give the same bytes.
TIME = (1980, 1, 1, 0, 0, 0)
# Safetensors and weights hardly shrink, and deflate is slower than most disks.
STORED = (".safetensors", ".weights", ".png", ".jpg", ".webp", ".zip")


@dataclasses.dataclass(frozen=True)
class UnpackOptions:
    """What a pack may cost."""

    largest: int = dataclasses.field(default=64 * 2**30, metadata={"help": "bytes of all files together, 1 or more"})
    most_files: int = dataclasses.field(default=10_000, metadata={"help": "files, 1 or more"})


def pack(folder: Path, file: Path) -> dict[str, Any]:
    """Writes `file`, which is replaced whole, and tells how many files of how many bytes it holds and its SHA-256.

    Raises StageError MODEL_INVALID for a folder that is none or empty, and for links, all of them at once.
    """
    paths = sorted(folder.rglob("*")) if folder.is_dir() else []
    odd = [path for path in paths if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if odd:
        issues = tuple(Issue(str(path), "a file or a folder", "a link or a device") for path in odd)
        raise StageError("MODEL_INVALID", f"{folder} holds {len(odd)} links or devices", "Copy the files.", issues)
    files = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    if not files:
        raise _invalid(folder, "a folder with files", "none")
    if MANIFEST in files:
        raise _invalid(folder, f"no file named {MANIFEST}", "one")
    progress = StageProgress("pack", len(files), "files")

    def write(temporary: Path) -> None:
        listed = {}
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for done, (name, path) in enumerate(files.items(), 1):
                listed[name] = _add(archive, name, path)
                progress.update(done)
            manifest = {"formatVersion": FORMAT_VERSION, "files": listed}
            archive.writestr(zipfile.ZipInfo(MANIFEST, TIME), json.dumps(manifest, indent=1) + "\n")

    write_atomically(file, write)
    size = sum(path.stat().st_size for path in files.values())
    return {"file": str(file), "files": len(files), "bytes": size, "sha256": sha256_file(file)}


def unpack(file: Path, folder: Path, options: UnpackOptions | None = None) -> dict[str, Any]:
    """Unpacks to `folder`, which must not exist, and tells how many files of how many bytes it holds.

    Raises StageError MODEL_INVALID, and leaves nothing behind, for a damaged archive, names that lead elsewhere, links,
    more than `options` allow, and files that are not as the manifest lists them; OPTION_INVALID where `folder` exists.
    """
    if folder.exists():
        issue = Issue("folder", "a new folder", f"{folder}, which is there")
        raise StageError("OPTION_INVALID", f"{folder} is there already", "Name a new folder.", (issue,))
    options = options or UnpackOptions()
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(file) as archive:
            listed = _checked(file, archive, options)
            progress = StageProgress("unpack", len(listed), "files")
            for done, (name, entry) in enumerate(listed.items(), 1):
                _extract(file, archive, name, entry, temporary / name)
                progress.update(done)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.rename(folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise _invalid(file, "a whole zip file", str(error) or type(error).__name__) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {"folder": str(folder), "files": len(listed), "bytes": sum(entry["bytes"] for entry in listed.values())}


def _invalid(path: Path, expected: str, received: str) -> StageError:
    issue = Issue(str(path), expected, received)
    return StageError("MODEL_INVALID", f"{path}: expected {expected}, received {received}", None, (issue,))


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    info = zipfile.ZipInfo(name, TIME)
    info.compress_type = zipfile.ZIP_STORED if path.suffix in STORED else zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(info, "w") as target:
        digest, size = copy_hashed(source, target, info.file_size)
    return {"sha256": digest, "bytes": size}


def copy_hashed(source: IO[bytes], target: IO[bytes], most: int) -> tuple[str, int]:
    """Copies at most one byte more than `most`, and returns SHA-256 and number of the bytes."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(min(PIECE, most + 1 - size)):
        target.write(piece)
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _checked(file: Path, archive: zipfile.ZipFile, options: UnpackOptions) -> dict[str, dict[str, Any]]:
    """The manifest's files by name, after everything that can be said before a byte of theirs is read."""
    entries = archive.infolist()
    if len(entries) > options.most_files + 1:
        raise _invalid(file, f"at most {options.most_files} files", str(len(entries)))
    listed, names = _manifest(file, archive), Counter(entry.filename for entry in entries)
    problems = [(name, "one entry of this name", str(count)) for name, count in names.items() if count > 1]
    unlisted, missing = names.keys() - listed.keys() - {MANIFEST}, listed.keys() - names.keys()
    problems += [(name, "a file that the manifest lists", "another") for name in sorted(unlisted)]
    problems += [(name, "a file of the archive", "none") for name in sorted(missing)]
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if not stays_inside(entry.filename):
            problems.append((entry.filename, "a path inside the folder", "one that leads elsewhere"))
        if entry.is_dir() or kind not in (0, stat.S_IFREG) or entry.flag_bits & ENCRYPTED:
            problems.append((entry.filename, "a plain file", "a folder, a link, a device or something encrypted"))
        if entry.filename in listed and entry.file_size != listed[entry.filename]["bytes"]:
            problems.append((entry.filename, f"{listed[entry.filename]['bytes']} bytes", str(entry.file_size)))
    total = sum(entry["bytes"] for entry in listed.values())
    if total > options.largest:
        problems.append((str(file), f"at most {options.largest} bytes unpacked", str(total)))
    if problems:
        issues = tuple(Issue(*problem) for problem in problems)
        words = "; ".join(
            f"{issue.option}: expected {issue.expected}, received {issue.received}" for issue in issues[:5]
        )
        raise StageError("MODEL_INVALID", f"{file} is not a pack that can be trusted: {words}", None, issues)
    return listed


def _manifest(file: Path, archive: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    if MANIFEST not in archive.namelist():
        raise _invalid(file, f"a pack, with {MANIFEST}", "none")
    with archive.open(MANIFEST) as source:
        text = source.read(LARGEST_MANIFEST + 1)
    try:
        manifest = json.loads(text[:LARGEST_MANIFEST])
        listed = manifest["files"]
        valid = manifest["formatVersion"] == FORMAT_VERSION and all(
            isinstance(entry["sha256"], str) and type(entry["bytes"]) is int and entry["bytes"] >= 0
            for entry in listed.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        valid = False
    if not valid:
        raise _invalid(file, f"a {MANIFEST} of format version {FORMAT_VERSION}", "another")
    return listed


def stays_inside(name: str) -> bool:
    """Whether the name of a file in an archive leads to a place inside the folder it is unpacked to, on any system."""
    path = PurePosixPath(name)
    plain = "\\" not in name and ":" not in name and "\0" not in name and name == path.as_posix()
    return plain and not path.is_absolute() and not {"..", "."} & set(path.parts)


def _extract(file: Path, archive: zipfile.ZipFile, name: str, entry: dict[str, Any], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, target.open("xb") as handle:
        digest, size = copy_hashed(source, handle, entry["bytes"])
        handle.flush()
        os.fsync(handle.fileno())
    if (digest, size) != (entry["sha256"], entry["bytes"]):
        raise _invalid(file, f"{name} with SHA-256 {entry['sha256']}", f"one with {digest}")
