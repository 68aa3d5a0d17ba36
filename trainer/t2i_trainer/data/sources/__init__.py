"""Where images can be imported from. Each source lists what it holds, and names what cannot be used."""

import contextlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ...stage import Issue, StageError
from .candidate import Candidate, Skipped
from .folder import scan_folder
from .oxford import is_oxford, scan_oxford
from .webdataset import scan_tar


@contextlib.contextmanager
def opened(source: Path, class_captions: bool) -> Iterator[list[Candidate | Skipped]]:
    """What a folder or tar holds, in an order that is always the same; it can be read inside the block.
    `class_captions` makes captions of the classes of Oxford-102. Raises StageError for a path of another kind."""
    oxford = source.is_dir() and is_oxford(source)
    if class_captions and not oxford:
        raise StageError(
            "OPTION_INVALID",
            f"{source} has no class names",
            "Leave --class-captions out, or name the folder with imagelabels.mat and jpg/.",
            (Issue("--class-captions", "the folder of Oxford-102", str(source)),),
        )
    if oxford:
        yield list(scan_oxford(source, class_captions))
    elif source.is_dir():
        yield list(scan_folder(source))
    elif source.is_file() and tarfile.is_tarfile(source):
        with tarfile.open(source) as tar:
            yield list(scan_tar(tar))
    else:
        received = "another file" if source.is_file() else "nothing"
        raise StageError(
            "OPTION_INVALID",
            f"nothing can be imported from {source}",
            "Name a folder of images and captions, or a WebDataset tar.",
            (Issue("source", "a folder or a tar", f"{received} at {source}"),),
        )
