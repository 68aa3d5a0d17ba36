"""Where a server has the files of runs kept: it takes them itself, or its clients write them to S3."""

import sys

from ..stage import StageError


def refuse_unwritable(address: str) -> None:
    """Refuses what files of a run cannot be written to from here: S3, without boto3 or credentials. `address` is where
    the server says that they are kept."""
    if not address.startswith("s3:"):
        return
    said = f"the MLflow server has the files of runs kept at {address}, where trainings write them"
    try:
        # Of this project's own packages none needs it.
        import boto3
    except ImportError as error:
        hint = (
            f"Install it ({sys.executable} -m pip install boto3), start the server with --artifacts-destination, so "
            "that it takes the files itself, or set mlflow.server_uri to null."
        )
        raise StageError("PYTHON_UNAVAILABLE", f"{said} with boto3, which is not installed", hint) from error
    if boto3.Session().get_credentials() is None:
        hint = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or .env, or sign in with a profile: "
        raise StageError("ACCESS_DENIED", f"{said}, and there are no AWS credentials", f"{hint}aws sso login")
