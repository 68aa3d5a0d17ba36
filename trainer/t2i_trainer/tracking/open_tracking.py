"""The tracker of a run, where the project has a server."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..params import Params
from ..training.strategies import is_speaker
from .environment import prepare_environment

if TYPE_CHECKING:
    from .tracking import Tracking


def open_tracking(project: Path, folder: Path, params: Params) -> "contextlib.AbstractContextManager[Tracking | None]":
    """The tracker of the run in `folder`; None where there is no server, or on a rank that is not the first."""
    if params.mlflow.server_uri is None or not is_speaker():
        return contextlib.nullcontext()
    prepare_environment(project)
    # Not at the top: MLflow takes a second to import, and reads the environment as it does.
    from .tracking import Tracking

    return Tracking(folder, params)
