"""What MLflow's client reads from the environment: secrets, also those in a project's `.env`, and its patience."""

import os
from pathlib import Path

from dotenv import dotenv_values

TOKEN = "MLFLOW_TRACKING_TOKEN"
SECRETS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", TOKEN)

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
    """Puts the settings, and the secrets of `.env` in the folder `project`, into the environment, where they are not
    already; to be called before MLflow is imported. Of `.env` nothing else is taken, and an empty value is none."""
    # MLflow prefers a user with a password: those of the file would go before a token of the environment.
    secrets = {} if os.environ.get(TOKEN) else dotenv_values(project / ".env", interpolate=False)
    for name in SECRETS:
        if value := secrets.get(name):
            os.environ.setdefault(name, value)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
