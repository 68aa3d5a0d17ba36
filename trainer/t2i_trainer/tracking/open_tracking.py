"""The tracker of a run, where the project has a server."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.strategies import is_speaker
from .environment import prepare_environment
from .options import TrackingOptions

if TYPE_CHECKING:
    from .tracking import Tracking


def open_tracking(
    options: TrackingOptions, project: Path, folder: Path, params: dict[str, Any]
) -> "contextlib.AbstractContextManager[Tracking | None]":
    """The tracker of the run in `folder`, with the parameters of the project by section; None where there is no server,
    or on a rank that is not the first."""
    if options.server_uri is None or not is_speaker():
        return contextlib.nullcontext()
    prepare_environment(project)
    # Not at the top: MLflow takes a second to import, and reads the environment as it does.
    from .tracking import Tracking

    return Tracking(options, folder, params)
