"""What a project says of its tracking server."""

import dataclasses
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ..sections import option, read_section
from ..stage import Issue, StageError


@dataclasses.dataclass(frozen=True)
class TrackingOptions:
    """The section `mlflow` of the parameters. It holds no secret: see `environment.py`."""

    server_uri: str | None = option(None, "http or https address of the tracking server; no tracking where null")
    experiment_name: str = option("Training", "experiment, created where the server has none of that name")
    run_name: str = option("run_1", "name that MLflow shows for the run; also its folder below runs/")
    registered_model_name: str = option("Diffusion", "registered model that a finished run is a version of")
    log_model: bool = option(True, "upload the best model, besides what says which it is")


def read_tracking(section: dict[str, Any]) -> TrackingOptions:
    """The options in the section `mlflow`; raises StageError with every mistake."""
    options, issues = read_section(TrackingOptions, "mlflow", section)
    issues += _issues(options) if options else []
    if options is None or issues:
        raise StageError("OPTION_INVALID", "invalid tracking options", "Correct them in params.yaml.", tuple(issues))
    return options


def _issues(options: TrackingOptions) -> Iterable[Issue]:
    if options.server_uri is not None:
        yield from _address_issues(options.server_uri)
    for name in ("experiment_name", "registered_model_name"):
        if not getattr(options, name).strip():
            yield Issue(f"mlflow.{name}", "a name", "none")
    if set("/:") & set(options.registered_model_name):
        yield Issue("mlflow.registered_model_name", "a name without / and :", options.registered_model_name)


def _address_issues(address: str) -> Iterable[Issue]:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number
        usable = False
    if "@" in address:
        # Not repeated: what stands before the @ may be a password.
        expected = "an address alone; user and password belong into MLFLOW_TRACKING_USERNAME and _PASSWORD in .env"
        yield Issue("mlflow.server_uri", expected, "an address with @")
    elif not usable:
        yield Issue("mlflow.server_uri", "an address such as https://host/path, or null", address)
