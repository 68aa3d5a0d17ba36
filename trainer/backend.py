"""Runs a model for the SDK's backend `pytorch`, which starts this program and speaks with it on standard input and
output.

python backend.py               # see t2i_trainer/backend/child.py
python backend.py --versions    # what it would run on, as JSON: null for a package that is missing
"""

import json
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "onnx", "pydantic")


def versions() -> dict[str, str | None]:
    """Versions of the packages that are needed, without loading any: that takes seconds."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    if sys.argv[1:] == ["--versions"]:
        print(json.dumps(versions()))
    else:
        from t2i_trainer.backend.child import main

        main()
