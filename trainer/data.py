"""Builds the training set of the default model: images with captions, composed from npm packages.

    python trainer/data.py --out runs/emoji-128/data --count 250000

Writes `pixels.npy` (uint8 [count, size, size, 3]), `samples.jsonl` (a line each, in the same order: caption, kind, what
was asked, scene), `concepts.json` and `data.json` (options, sources with licences, fingerprint). The same options give
the same bytes, whatever --workers says; with another numpy, or on another kind of processor, pixels can be rounded
differently. The packages are fetched with npm into --packages unless they are there.
"""

import json
import subprocess
import sys
from pathlib import Path

from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.concepts import SOURCES
from t2i_trainer.emoji.dataset import DatasetOptions, build_dataset


def fetch_packages(packages: Path) -> None:
    """Installs the pinned source packages with npm, without running anything of theirs."""
    if all((packages / "node_modules" / name / "package.json").exists() for name in SOURCES):
        return
    packages.mkdir(parents=True, exist_ok=True)
    names = [f"{name}@{version}" for name, (version, _, _) in SOURCES.items()]
    print(f"fetching {', '.join(names)} into {packages}", file=sys.stderr)
    subprocess.run(
        ["npm", "install", "--prefix", str(packages), "--ignore-scripts", "--no-audit", "--no-fund", *names], check=True
    )


def main() -> None:
    options = read_options(DatasetOptions, __doc__)
    fetch_packages(options.packages)
    print(json.dumps(build_dataset(options)))


if __name__ == "__main__":
    main()
