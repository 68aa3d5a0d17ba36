"""What MLflow's client reads from the environment: secrets and how S3 is reached, also from a project's `.env`, and its
patience."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

TOKEN = "MLFLOW_TRACKING_TOKEN"
SECRETS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", TOKEN)

AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
AWS_PLACES = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
STYLE = "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"

SETTINGS = {
    # Seconds to connect, and again to answer. Sent again is by the spool, so that a request has no retries of its own.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    # Standard output belongs to the events of the stage.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow would report on its use to its makers.
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def prepare_environment(project: Path) -> None:
    """Puts the settings, and what `.env` in the folder `project` says of MLflow and AWS, into the environment, where
    they are not already; to be called before MLflow is imported. Of `.env` nothing else is taken, and an empty value is
    none."""
    file = dotenv_values(project / ".env", interpolate=False)
    # MLflow prefers a user with a password: those of the file would go before a token of the environment.
    _take(SECRETS, {} if os.environ.get(TOKEN) else file)
    # A pair of keys, and the token of its session, are those of one place (src/aws/settings.ts).
    if not _has_keys(os.environ) and _has_keys(file):
        for name in AWS_KEYS:
            os.environ.pop(name, None)
        _take(AWS_KEYS, file)
    _take(AWS_PLACES, file)
    # What AWS's other clients and this package's command line call it, boto3 does not know.
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region
    if os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        # Other servers than AWS's have no name for each bucket.
        os.environ.setdefault(STYLE, "path")
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def _has_keys(variables: Mapping[str, str | None]) -> bool:
    return all(variables.get(name) for name in AWS_KEYS[:2])


def _take(names: tuple[str, ...], file: Mapping[str, str | None]) -> None:
    for name in names:
        if (value := file.get(name)) and not os.environ.get(name):
            os.environ[name] = value
