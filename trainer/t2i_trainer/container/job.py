"""A host's part of a training job, from its inputs to what it leaves."""

import sys
import traceback

from ..stage import StageError
from .contract import Container
from .launch import launch
from .project import assemble, keep_model
from .secrets import fetch_secrets


def main() -> int:
    """Returns the exit code: 0 also for a training that was asked to stop, which keeps its checkpoint."""
    container = Container.here()
    try:
        fetch_secrets()
        code, event, asked = launch(container, assemble(container))
        if asked and code != 0:
            # Before the ranks listened for the signal.
            return 0
        if event and event["event"] == "error":
            container.fail(_words(event))
            return 1
        if code != 0:
            container.fail(f"the training on {container.host} ended with {code}; its log says more")
            return 1
        if container.first and event and event["value"]["status"] != "stopped":
            keep_model(container, event["value"])
        return 0
    except StageError as error:
        container.fail(f"{error.code}: {error.message}")
        print(error.message, file=sys.stderr)
        return 1
    except Exception as error:
        traceback.print_exc()
        container.fail(f"INTERNAL: {error}")
        return 1


def _words(event: dict) -> str:
    issues = [
        f"{issue['option']}: expected {issue['expected']}, received {issue['received']}" for issue in event["issues"]
    ]
    return f"{event['code']}: {'; '.join([event['message'], *issues])}"
