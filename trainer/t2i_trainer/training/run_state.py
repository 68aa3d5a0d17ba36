"""How far a training is: what a checkpoint holds beside tensors, and how it is saved and resumed on all ranks.

No random state is among it, since every random number is a function of (seed, step).
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..files import read_json, write_json
from ..stage import Issue, StageError
from . import checkpoint_folders
from .gather import gathered
from .steps import Ema
from .strategies import Strategy

# Options of `training` that change how a run is carried out but not what it learns: a resumed run may change them.
FREE = frozenset(
    f"training.{name}"
    for name in (
        "strategy", "gradient_accumulation_steps", "gradient_checkpointing", "checkpoint_steps", "validation_steps",
        "patience", "min_delta",
    )
)  # fmt: skip


@dataclasses.dataclass
class RunState:
    """Numbers that a resumed run goes on with."""

    step: int = 0
    """Steps done, those among them that overflowed."""
    applied: int = 0
    """Steps that changed the weights; learning rate and average go by these."""
    best_loss: float | None = None
    """Least validation loss."""
    best_step: int | None = None
    patience_loss: float | None = None
    """Validation loss that the next has to fall below by more than `min_delta`."""
    without_improvement: int = 0
    """Validations since `patience_loss`."""
    loss_sum: float = 0.0
    """Sum of the steps' training losses since the last validation, over all ranks."""
    loss_count: int = 0
    """How many losses that are: steps times ranks."""
    tracking_run: str | None = None
    """The run's name with whoever tracks experiments."""

    def judge(self, loss: float, min_delta: float) -> bool:
        """Takes a validation loss at the present step; True where it is the best yet. NaN never is."""
        if math.isfinite(loss) and (self.patience_loss is None or loss < self.patience_loss - min_delta):
            self.patience_loss, self.without_improvement = loss, 0
        else:
            self.without_improvement += 1
        if not math.isfinite(loss) or (self.best_loss is not None and loss >= self.best_loss):
            return False
        self.best_loss, self.best_step = loss, self.step
        return True

    def out_of_patience(self, patience: int | None) -> bool:
        return patience is not None and self.without_improvement >= patience


def save(
    folder: Path, state: RunState, strategy: Strategy, ema: Ema | None, identity: dict[str, Any], kind: str
) -> None:
    """Writes a checkpoint into `folder` of rank 0; `identity` is what a run has to agree in to resume it, `kind` the
    option `training.strategy`. Every rank calls this."""
    if strategy.rank == 0:
        checkpoint_folders.start(folder, state.step)
    strategy.barrier()
    temporary = checkpoint_folders.filling(folder, state.step)
    with gathered(strategy, temporary) as own:
        strategy.save(own)
        if ema and (name := strategy.average_file()):
            save_file(ema.weights, own / name)
    if strategy.rank == 0:
        write_json(temporary / "state.json", dataclasses.asdict(state))
        facts = {"world": strategy.world, "strategy": _family(kind), "identity": identity}
        checkpoint_folders.finish(folder, state.step, facts)
    strategy.barrier()


def resume(folder: Path, strategy: Strategy, ema: Ema | None, identity: dict[str, Any], kind: str) -> RunState:
    """Goes on from the newest whole checkpoint in `folder`, or from the start where there is none. Every rank calls
    this, with a folder that holds the same.

    Raises StageError where it is a checkpoint of other options or data, or of another strategy, or where the ranks do
    not find the same one.
    """
    found = checkpoint_folders.newest(folder)
    _agree(strategy, found[1]["step"] if found else 0, folder)
    if found is None:
        return RunState()
    checkpoint, manifest = found
    issues = [
        Issue(name, _words(manifest["identity"].get(name)), _words(identity.get(name)))
        for name in sorted({*manifest["identity"], *identity})
        if manifest["identity"].get(name) != identity.get(name)
    ]
    if issues:
        message = f"{checkpoint} was trained with other options or data"
        hint = "Restore them to resume it, or give the new training another mlflow.run_name."
        raise StageError("OPTION_INVALID", message, hint, tuple(issues))
    if manifest["strategy"] != _family(kind):
        expected = f"{manifest['strategy']}, as {checkpoint} was written"
        hint = (
            "A stage of ZeRO reads its own checkpoints alone. Resume with the same strategy, on any number of ranks, "
            "or start under another mlflow.run_name with unet.init_from set to the folder of this run."
        )
        issue = Issue("training.strategy", expected, _family(kind))
        raise StageError("OPTION_INVALID", "the checkpoint cannot be resumed so", hint, (issue,))
    strategy.load(checkpoint)
    if ema:
        ema.weights = strategy.load_average(checkpoint)
    return RunState(**read_json(checkpoint / "state.json"))


def _agree(strategy: Strategy, step: int, folder: Path) -> None:
    steps = torch.zeros(strategy.world, dtype=torch.float64)
    steps[strategy.rank] = step
    found = sorted({int(each) for each in strategy.total(steps).tolist()})
    if len(found) > 1:
        raise StageError(
            "CHECKPOINT_INVALID",
            f"the ranks find different checkpoints in {folder}: steps {', '.join(map(str, found))}",
            "Give every machine the same checkpoints, or remove those that not all of them have.",
        )


def _family(kind: str) -> str:
    """Strategies that read one another's checkpoints."""
    return kind if kind.startswith("zero") else "ddp"


def _words(value: object) -> str:
    return "none" if value is None else str(value)
