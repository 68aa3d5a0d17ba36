"""A rank's part of a training job whose launcher is not ours."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..params import Params
from ..stage import StageError
from ..stage import main as run_stage
from ..training.strategies import is_speaker
from .contract import Container
from .launch import Figures
from .project import assemble, keep_model, params_file
from .secrets import fetch_secrets

# Seconds that a host may take to put its project together.
PATIENCE = 3600


def main() -> int:
    container = Container.here()
    try:
        fetch_secrets()
        project = _together(container)
    except StageError as error:
        container.fail(f"{error.code}: {error.message}")
        print(error.message, file=sys.stderr)
        return 1
    if not is_speaker():
        sys.stdout = sys.stderr
        return run_stage(None, _train(container), _arguments(container, project))
    figures = Figures(container.checkpoints / "metrics.jsonl")
    try:
        return run_stage(None, _train(container), _arguments(container, project))
    finally:
        figures.close()


def _arguments(container: Container, project: Path) -> list[str]:
    return ["--project", str(project), "--params", str(params_file(container))]


def _together(container: Container) -> Path:
    """One rank of each host puts the project together, the others wait for it."""
    # All ranks of a host have the same parent, and after a restart another one.
    ready = container.root / f"project-{os.getppid()}.ready"
    if os.environ.get("LOCAL_RANK", "0") == "0":
        project = assemble(container)
        ready.touch()
        return project
    deadline = time.monotonic() + PATIENCE
    while not ready.exists():
        if time.monotonic() > deadline:
            raise StageError("DATA_INVALID", "the first rank of this host did not put the project together")
        time.sleep(0.2)
    return container.root / "project"


def _train(container: Container) -> Callable[[Path, Params], dict[str, Any]]:
    from stages.train import train

    def training(project: Path, params: Params) -> dict[str, Any]:
        try:
            result = train(project, params)
        except StageError as error:
            container.fail(f"{error.code}: {error.message}")
            raise
        if is_speaker() and result["status"] != "stopped":
            keep_model(container, result)
        return result

    return training
