"""One folder for what all ranks write, also where they run on machines that share no disk."""

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from .strategies import Strategy, ranks

# Holds a number that rank 0 has just drawn: whoever reads it sees the folder of rank 0, and no copy of an older one.
SIGN = ".rank-0"


@contextlib.contextmanager
def gathered(strategy: Strategy, folder: Path) -> Iterator[Path]:
    """Inside it every rank writes files into the folder it is given; afterwards `folder` of rank 0 has them all. A rank
    that does not see that folder gets one of its own, whose files it sends. Every rank calls this."""
    sees = _sees(strategy, folder)
    own = contextlib.nullcontext(str(folder)) if sees else tempfile.TemporaryDirectory()
    with own as name:
        yield Path(name)
        _send(strategy, Path(name), folder, sees)
    strategy.barrier()


def _sees(strategy: Strategy, folder: Path) -> bool:
    if strategy.world == 1:
        return True
    # A double holds 52 bits exactly.
    drawn = secrets.randbits(52) if strategy.rank == 0 else 0
    sign = folder / SIGN
    if strategy.rank == 0:
        sign.write_text(str(drawn))
    number = int(strategy.total(torch.tensor(float(drawn), dtype=torch.float64)).item())
    sees = sign.is_file() and sign.read_text() == str(number)
    strategy.barrier()
    if strategy.rank == 0:
        sign.unlink()
    return sees


def _send(strategy: Strategy, own: Path, folder: Path, sees: bool) -> None:
    if strategy.world == 1:
        return
    blind = torch.zeros(strategy.world)
    blind[strategy.rank] = float(not sees)
    for rank in strategy.total(blind).nonzero().flatten().tolist():
        if strategy.rank == rank:
            ranks.send_files(sorted(path for path in own.iterdir() if path.is_file()), to=0)
        elif strategy.rank == 0:
            ranks.receive_files(folder, source=rank)
