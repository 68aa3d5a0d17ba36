"""What is wrong with a tracking server, in words, with what to do. Answers that are not MLflow's are not repeated: they
may be whole pages."""

import os
import re

import requests
from mlflow.exceptions import MlflowException, RestException

from ..params import MlflowParams
from ..stage import StageError


def explain(error: Exception, options: MlflowParams) -> str:
    """One warning for what a request or an upload raised."""
    return f"MLflow, {options.server_uri}: {_words(error)} Training goes on, and what is missing is sent later."


def _words(error: Exception) -> str:
    if isinstance(error, StageError):
        return f"{error.message}. {error.hint}"
    status = _status(error)
    if status in (401, 403):
        return (
            f"the server refuses the credentials ({status}). Set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN alone, in the environment or in .env."
        )
    if isinstance(error, RestException):
        return f"the server answers: {error.message[:300].rstrip('.')}."
    if status is not None and (status == 429 or status >= 500):
        return f"the server answers with error {status}."
    if status is not None or "valid JSON" in str(error):
        return "what answers there is not an MLflow server. Correct mlflow.server_uri."
    # One that connected and then waited in vain is a ConnectionError to requests, if nothing is tried again.
    if isinstance(_cause(error), requests.Timeout) or "Read timed out" in str(error):
        return f"no answer within {os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT']} seconds."
    if isinstance(_cause(error), requests.RequestException):
        return "the server cannot be reached. Correct mlflow.server_uri, or start the server."
    return f"{type(error).__name__}: {error}."


def _cause(error: Exception) -> BaseException | None:
    """What MLflow's client met. It names it as the cause, or merely raises while it handles it."""
    return error.__cause__ or error.__context__ or error


def _status(error: Exception) -> int | None:
    """The HTTP status of an answer, or None where there was none or it was 200."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code
    if isinstance(error, RestException):
        return error.get_http_status_code()
    found = re.search(r"failed with error code (\d{3})|too many (\d{3}) error responses", str(error))
    return int(found[1] or found[2]) if isinstance(error, MlflowException) and found else None
