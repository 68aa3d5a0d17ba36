"""Safetensors from a pickle that its owner trusts.

Reading a pickle runs what is in it, so a process of its own reads it, which has none of the environment's secrets. That
is no sandbox, so the owner's word is asked for.

    python -I convert_pickle.py --i-trust-this-file SOURCE TARGET     # that process: needs torch and safetensors alone
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRUST = "--i-trust-this-file"
# What torch needs to start; tokens and keys are not among it.
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """Which file is converted."""

    source: str = dataclasses.field(
        metadata={"help": "pickle of a module or of its tensors by name: .pth .pt .bin .ckpt"}
    )
    target: str = dataclasses.field(metadata={"help": "safetensors file; a module's config.json is written beside it"})
    i_trust_this_file: bool = dataclasses.field(default=False, metadata={"help": "it may run code of its own"})


def convert_pickle(options: ConvertOptions, folder: Path) -> dict[str, Any]:
    """Converts `source` to `target`, both relative to `folder`, and tells names, sizes and hash.

    Raises StageError OPTION_INVALID without trust, for a missing source and for a target that is there or that is no
    .safetensors, all at once; MODEL_INVALID for a file that holds no tensors.
    """
    from .files import sha256_file
    from .stage import Issue, StageError

    source, target = folder / options.source, folder / options.target
    wrong = [
        (not options.i_trust_this_file, TRUST, "given: reading a pickle runs what is in it", "not given"),
        (not source.is_file(), "source", "a file", f"{source}, which is none"),
        (target.suffix != ".safetensors", "target", "a name that ends in .safetensors", str(target)),
        (target.exists(), "target", "a new file", f"{target}, which is there"),
    ]
    issues = tuple(Issue(option, expected, received) for is_wrong, option, expected, received in wrong if is_wrong)
    if issues:
        words = "; ".join(f"{issue.option}: expected {issue.expected}, received {issue.received}" for issue in issues)
        hint = f"Convert files of your own alone, with {TRUST}." if not options.i_trust_this_file else None
        raise StageError("OPTION_INVALID", words, hint, issues)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        written = Path(scratch, target.name)
        command = [sys.executable, "-I", __file__, TRUST, str(source), str(written)]
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        done = subprocess.run(
            command, env={**environment, "HOME": scratch}, capture_output=True, text=True, cwd=scratch
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise StageError(
                "MODEL_INVALID", f"{source} could not be converted: {reason}", f"{target} was not written."
            )
        with written.open("rb") as file:
            os.fsync(file.fileno())
        if (config := Path(scratch, "config.json")).exists():
            config.replace(target.parent / "config.json")
        written.replace(target)
    return {"file": str(target), "bytes": target.stat().st_size, "sha256": sha256_file(target)}


def tensors_of(value: Any) -> dict[str, Any]:
    """The tensors of a module, of its state or of a checkpoint that holds its state, each with memory of its own.

    Raises ValueError for anything else.
    """
    import torch

    if isinstance(value, torch.nn.Module):
        value = value.state_dict()
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("state_dict", "model_state_dict", "module") if key in value), value)
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"expected a module or tensors by name, received {type(value).__name__}")
    others = [str(name) for name, tensor in value.items() if not isinstance(tensor, torch.Tensor)]
    if others:
        raise ValueError(f"expected tensors alone, received others as well: {', '.join(others[:5])}")
    return {str(name): tensor.detach().cpu().clone().contiguous() for name, tensor in value.items()}


def main(arguments: list[str] | None = None) -> None:
    import torch
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(TRUST, action="store_true", required=True)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args(arguments)
    value = torch.load(given.source, map_location="cpu", weights_only=False)
    config = getattr(value, "config", None)
    if isinstance(config, Mapping):
        text = json.dumps({"_class_name": type(value).__name__, **config}, indent=1, default=str)
        given.target.with_name("config.json").write_text(f"{text}\n")
    save_file(tensors_of(value), given.target, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
