"""Tracks a training by MLflow: what it tells goes to the spool at once, and to the server when that can be had."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from ..files import read_json
from ..params import Params
from ..stage import StageError, warn
from . import problems
from .artifact_store import refuse_unwritable
from .sender import Sender
from .server_run import End, Model, ServerRun
from .spool import Spool
from .values import flatten

FIRST_SECONDS = 5.0
"""How long the start of a training waits for a server to say where it has files kept."""

LAST_SECONDS = 60.0
"""How long the end of a training waits for a server that takes what it is given, but slowly."""

SLOWEST = 1e6
"""Bytes a second of an upload that is waited for."""


class Tracking:
    """A `training.loop.Tracker`. Leaving it as a context ends the run as the training ended."""

    def __init__(self, folder: Path, params: Params):
        """`folder` is the run's."""
        self.options, self.folder, self.params = params.mlflow, folder, params.model_dump(mode="json")
        self.spool = Spool(folder)
        self.parameters: dict[str, str] = {}
        self.model: Model | None = None
        self.sender = Sender(self._connect, lambda error: problems.explain(error, self.options))
        self.unwritable: StageError | None = None
        """Why the run's files cannot be sent where the server has them kept."""
        self._answered = threading.Event()

    def start(self, run: str | None, options: dict[str, Any]) -> str:
        """Begins to send. Of the `options` those are left out that are sections of the parameters. Raises StageError
        where the run's files could not be sent at its end, if the server says soon where they are to be."""
        facts = {name: value for name, value in options.items() if name not in self.params}
        self.parameters = flatten(facts) | flatten(self.params)
        name = self.spool.open(run, facts["config_hash"])
        self.sender.start()
        if self._answered.wait(FIRST_SECONDS) and self.unwritable:
            raise self.unwritable
        return name

    def _connect(self) -> ServerRun:
        try:
            run = ServerRun(self.options, self.spool, self.parameters)
            try:
                refuse_unwritable(run.artifacts)
            except StageError as error:
                self.unwritable = error
            return run
        finally:
            self._answered.set()

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Puts figures into the spool and wakes the sender."""
        self.spool.add(step, {name: value for name, value in figures.items() if name != "step"})
        self.sender.wake()

    def finish(self) -> None:
        """Training is done and its files are written: logs the best loss, and has the model registered."""
        best = read_json(self.folder / "best" / "best.json")
        loss, step = best["best_val_diffuser_loss"], best["best_step"]
        files = {"model/best.json": self.folder / "best/best.json", "model/options.json": self.folder / "options.json"}
        if self.options.log_model:
            weights = read_json(self.folder / "run.json")["files"]
            files |= {f"model/best/{path}": self.folder / "best" / path for path in weights}
        # The record of the files is the last of them: whoever finds it finds all.
        files["model/run.json"] = self.folder / "run.json"
        self.model = Model(files, loss, step)
        self.log(step, {"best_val_diffuser_loss": loss, "best_step": step})

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the run: FINISHED after `finish`, KILLED by Ctrl-C, FAILED by any other error; one that was stopped goes
        on RUNNING."""
        if not self.sender.ident:  # training did not come to its first step
            return
        status = "FINISHED" if self.model else None
        if error is not None:
            status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        if self.spool.left_out:
            warn(f"MLflow: {self.spool.left_out} figures that are NaN or infinite are left out")
        model = None if error else self.model
        if not self.sender.close(End(status, model), LAST_SECONDS + (model.bytes if model else 0) / SLOWEST):
            file = self.spool.file.name
            warn(f"MLflow lacks a part of run {self.folder.name}: {file} keeps it, and the same command sends it")
