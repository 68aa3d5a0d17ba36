"""Unpacks what `t2i data push` put into S3: tar shards or one zip file, by the hashes of their manifest alone."""

import tarfile
from pathlib import Path
from typing import Any

from ..files import read_json, sha256_file
from ..pack import UnpackOptions, copy_hashed, stays_inside, unpack
from ..stage import Issue, StageError

MANIFEST = "manifest.json"
LARGEST = 2**40
MOST_FILES = 10_000_000


def unpack_pushed(source: Path, target: Path) -> int:
    """Unpacks the archives in `source` below `target`, and returns how many files they hold. Of an archive nothing is
    written that its manifest does not list.

    Raises StageError DATA_INVALID for archives and files that are not those of the manifest, names that lead
    elsewhere, links, and more bytes than are listed.
    """
    manifest = _manifest(source)
    for archive, record in manifest["archives"].items():
        path, expected = source / archive, record["sha256"]
        if not path.is_file() or sha256_file(path) != expected:
            raise _invalid(path, f"SHA-256 {expected}", "another, or no file")
        listed = {name: entry for name, entry in manifest["files"].items() if entry["archive"] == archive}
        if manifest["format"] == "zip":
            _unpack_zip(path, listed, target)
        else:
            _unpack_tar(path, listed, target)
    return len(manifest["files"])


def _manifest(source: Path) -> dict[str, Any]:
    path = source / MANIFEST
    try:
        manifest = read_json(path)
        files, archives = manifest["files"], manifest["archives"]
        valid = manifest["formatVersion"] == 1 and manifest["format"] in ("shards", "zip")
        total = sum(entry["bytes"] for entry in files.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(path, "the manifest of a push", str(error)) from error
    if not valid:
        raise _invalid(path, "format version 1, shards or zip", "another")
    if total > LARGEST or len(files) > MOST_FILES:
        raise _invalid(path, f"at most {MOST_FILES} files of {LARGEST} bytes", f"{len(files)} of {total}")
    if odd := [name for name in (*files, *archives) if not stays_inside(name)]:
        raise _invalid(path, "paths inside the folder", odd[0])
    return manifest


def _unpack_tar(path: Path, listed: dict[str, dict[str, Any]], target: Path) -> None:
    left = dict(listed)
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                entry = left.pop(member.name, None)
                if entry is None or not member.isreg() or member.size != entry["bytes"]:
                    raise _invalid(path, "the files of the manifest alone", member.name)
                file = archive.extractfile(member)
                # Of a regular file there always is one.
                assert file is not None
                to = target / member.name
                to.parent.mkdir(parents=True, exist_ok=True)
                with file, to.open("xb") as handle:
                    digest, size = copy_hashed(file, handle, entry["bytes"])
                if (digest, size) != (entry["sha256"], entry["bytes"]):
                    raise _invalid(path, f"{member.name} with SHA-256 {entry['sha256']}", digest)
    except tarfile.TarError as error:
        raise _invalid(path, "a whole tar file", str(error)) from error
    if left:
        raise _invalid(path, f"{len(left)} more files", f"none, for example no {next(iter(left))}")


def _unpack_zip(path: Path, listed: dict[str, dict[str, Any]], target: Path) -> None:
    """It lists its files itself; here they have to be those of the manifest, too."""
    folder = target.with_name(f"{target.name}.zip")
    total = sum(entry["bytes"] for entry in listed.values())
    unpack(path, folder, UnpackOptions(largest=total, most_files=len(listed)))
    for name, entry in listed.items():
        file = folder / name
        if not file.is_file() or sha256_file(file) != entry["sha256"]:
            raise _invalid(path, f"{name} with SHA-256 {entry['sha256']}", "another, or no file")
        to = target / name
        to.parent.mkdir(parents=True, exist_ok=True)
        file.rename(to)


def _invalid(path: Path, expected: str, received: str) -> StageError:
    issue = Issue(str(path), expected, received)
    hint = "Push the data again: t2i data push"
    return StageError("DATA_INVALID", f"{path}: expected {expected}, received {received}", hint, (issue,))
