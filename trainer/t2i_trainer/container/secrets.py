"""Secrets of a job: it is told where they are kept, never what they are, since whoever may look at a job sees its
environment."""

import json
import os

from ..stage import StageError

PREFIX = "T2I_SECRET_"


def fetch_secrets() -> None:
    """Sets each variable NAME that T2I_SECRET_NAME has an ARN for: of AWS Secrets Manager, whose secret is the value
    or an object with a key NAME, or of a parameter of Systems Manager. Raises StageError ACCESS_DENIED, which names
    the variable and never the value."""
    wanted = {name.removeprefix(PREFIX): arn for name, arn in os.environ.items() if name.startswith(PREFIX)}
    for name, arn in wanted.items():
        try:
            value = _fetch(arn)
        except Exception as error:
            kind = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
            message = f"the secret for {name} could not be read from {arn}: {kind}"
            raise StageError("ACCESS_DENIED", message, "Let the role of the job read it.") from None
        os.environ[name] = _own(name, value)


def _fetch(arn: str) -> str:
    import boto3

    region = arn.split(":")[3]
    if arn.split(":")[2] == "ssm":
        name = arn.split(":parameter", 1)[1]
        answer = boto3.client("ssm", region_name=region).get_parameter(Name=name, WithDecryption=True)
        return answer["Parameter"]["Value"]
    return boto3.client("secretsmanager", region_name=region).get_secret_value(SecretId=arn)["SecretString"]


def _own(name: str, value: str) -> str:
    try:
        values = json.loads(value)
    except ValueError:
        return value
    return values[name] if isinstance(values, dict) and isinstance(values.get(name), str) else value
