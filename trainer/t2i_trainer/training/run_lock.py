"""Keeps two trainings from writing the files of one run."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..stage import Issue, StageError

try:
    import fcntl

    HAS_LOCKS = True
except ImportError:
    # On Windows, where nothing is held.
    HAS_LOCKS = False

# Of POSIX, for a lock that another process holds.
HELD = (errno.EACCES, errno.EAGAIN)


@contextmanager
def alone_in(run: Path) -> Iterator[None]:
    """Holds a run folder for this process until the block or the process ends, however it does. Raises StageError
    where another process holds it. A file system that has no locks holds nothing."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / ".lock").open("a+") as file:
        _hold(file.fileno(), run)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _hold(descriptor: int, run: Path) -> None:
    if not HAS_LOCKS:
        return
    try:
        # Unlike flock, not shared with the processes that load batches, which may outlive a kill of this one.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in HELD:
            return
        other = (run / ".lock").read_text() or "another process"
        issue = Issue("mlflow.run_name", "a run that nothing else trains now", f"{run.name}, which {other} trains")
        raise StageError(
            "OPTION_INVALID",
            f"{issue.option}: expected {issue.expected}, received {issue.received}",
            "Wait for it or stop it, or give this training another name: t2i train --run NAME",
            (issue,),
        ) from error
