"""Sets up the trainer's Python environment and prints the path of its interpreter.

    $(python3 trainer/env.py) trainer/train.py --help
    python3 trainer/env.py --installed    # the same path, or what is missing: installs nothing
    python3 trainer/env.py --lock FILE    # of another lock file

The environment lies in a cache folder named by the lock file and the Python version, so every clone with the same lock
shares one (it is 6 GB). Standard library only: this is what runs before anything is installed.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = Path(__file__).with_name("requirements.lock")
OLDEST_PYTHON = (3, 11)
# An exit code of its own, so that a caller can tell "a tool is missing here" from "the installation failed".
MISSING_TOOL = 69
UNUSED_DAYS = 30


def cache_root() -> Path:
    """T2I_CACHE, else the XDG cache folder, else ~/.cache; then `t2i` below it."""
    base = os.environ.get("T2I_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "t2i"


def environment_dir(lock_text: bytes) -> Path:
    """Folder of the environment: one for each lock file, Python version and kind of machine."""
    kind = f"{platform.python_implementation()} {platform.python_version()} {sys.platform} {platform.machine()}"
    return cache_root() / f"python-{hashlib.sha256(lock_text + kind.encode()).hexdigest()[:16]}"


def missing_tool() -> str | None:
    """What keeps this Python from making environments, with the command that helps, or None."""
    if sys.version_info < OLDEST_PYTHON:
        return (
            f"Python {platform.python_version()} is older than {'.'.join(map(str, OLDEST_PYTHON))}: install a newer one"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "this Python has no venv module: apt-get install python3-venv"
    return None


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds an advisory lock that the kernel frees when this process ends, however it ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another process that sets up the same environment", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(folder: Path, lock_file: Path) -> None:
    """Makes the environment from nothing; raises CalledProcessError where pip fails."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, stdout=sys.stderr)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    # DeepSpeed compiles its kernels when they are first used, not now.
    environment = {**os.environ, "DS_BUILD_OPS": "0"}
    install = [*pip, "install", "--quiet", "--no-deps", "-r", str(lock_file)]
    subprocess.run(install, check=True, stdout=sys.stderr, env=environment)
    subprocess.run([*pip, "check"], check=True, stdout=sys.stderr)


def ensure(lock_file: Path) -> Path:
    """The interpreter of the environment, installed first where it is missing or was left half-made.

    An environment cannot be renamed (its scripts hold absolute paths), so a marker file, written last, says that it is
    whole, and a lock keeps a second process from installing the same one at the same time.
    """
    folder = environment_dir(lock_file.read_bytes())
    marker = folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not marker.exists():
        with exclusive(folder.with_suffix(".lock")):
            if not marker.exists():
                print(f"installing into {folder} (once; minutes, up to 6 GB)", file=sys.stderr, flush=True)
                start = time.monotonic()
                install(folder, lock_file)
                marker.touch()
                print(f"installed in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
                for old in unused_environments(folder.parent):
                    print(f"{old} was not used for {UNUSED_DAYS} days: remove it to free its space", file=sys.stderr)
    note_use(marker)
    return folder / "bin" / "python"


def note_use(marker: Path) -> None:
    """Keeps the time of the last use, where the folder may be written."""
    with contextlib.suppress(OSError):
        marker.touch()


def unused_environments(root: Path) -> list[Path]:
    """Environments that nothing was started from for a while: an earlier version of this package left them. Something
    that runs for weeks may still need one, so they are named, not removed."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    return sorted(mark.parent for mark in root.glob("python-*/complete") if mark.stat().st_mtime < oldest)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--installed", action="store_true", help="install nothing: say what is missing")
    parser.add_argument("--lock", type=Path, default=LOCK_FILE, help="packages and versions, one a line")
    given = parser.parse_args(arguments)
    if given.installed:
        return print_installed(given.lock)
    if reason := missing_tool():
        print(reason, file=sys.stderr)
        return MISSING_TOOL
    try:
        print(ensure(given.lock))
    except subprocess.CalledProcessError as error:
        print(f"the environment could not be set up: {error}", file=sys.stderr)
        return 1
    return 0


def print_installed(lock_file: Path) -> int:
    folder = environment_dir(lock_file.read_bytes())
    if not (folder / "complete").exists():
        print(f"the Python environment of {lock_file} is not installed ({folder})", file=sys.stderr)
        return MISSING_TOOL
    note_use(folder / "complete")
    print(folder / "bin" / "python")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
