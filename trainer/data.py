"""Builds the training set of the default model: pictures with captions, composed from npm packages.

    python trainer/data.py --out runs/emoji-128/data --count 30000

Writes `pixels.npy` (uint8 [count, size, size, 3]), `samples.jsonl` (one caption with its attributes a line, in the
same order), `concepts.json` and `data.json`
(options, sources with licences, fingerprint). The same options give the same bytes. The packages are fetched with npm
into --packages unless they are there.
"""

import argparse
import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from t2i_trainer.captions import SceneChooser
from t2i_trainer.compose import Composer
from t2i_trainer.concepts import SOURCES, load_concepts
from t2i_trainer.files import write_json
from t2i_trainer.progress import Progress
from t2i_trainer.styles import ICON_SETS, STYLES, PictureBook


def build_dataset(
    out: Path,  # folder that receives the files; made when missing
    packages: Path,  # folder with a node_modules of SOURCES
    count: int = 30_000,  # pictures
    size: int = 128,  # side in pixels
    seed: int = 0,  # of the choice of scenes
    flower_weight: float = 2.0,  # how much more often a flower is drawn than another concept
    jitter: float = 0.01,  # how far a thing strays from the middle, as a fraction of the side
    held_out: bool = False,  # draw only the combinations that training never sees
    styles: tuple[str, ...] = ("shaded",),  # of STYLES; captions name every one but the first
    limit: int | None = None,  # use the first so many concepts only
) -> dict:
    """Writes the data set and returns its record (the content of data.json)."""
    book = PictureBook(packages / "node_modules")
    every = load_concepts(packages / "node_modules")[:limit]
    concepts = [concept for concept in every if all(book.has(concept.code, style) for style in styles)]
    if not concepts:
        raise SystemExit(f"--packages: no concept found below {packages}; delete the folder and run again")
    out.mkdir(parents=True, exist_ok=True)
    composer = Composer(lambda concept, style: book.open(concepts[concept].code, style), size)
    chooser = SceneChooser(concepts, {"plant-flower": flower_weight}, seed, held_out, jitter, tuple(styles))
    pixels = np.lib.format.open_memmap(out / "pixels.npy", "w+", np.uint8, (count, size, size, 3))
    fingerprint = hashlib.sha256()
    progress = Progress("data", count, "pictures")
    with (out / "samples.jsonl").open("w") as lines:
        for index in range(count):
            sample = chooser.sample()
            pixels[index] = composer.draw(sample.scene)
            line = json.dumps({"caption": sample.caption, "kind": sample.kind, **dataclasses.asdict(sample.scene)})
            lines.write(f"{line}\n")
            fingerprint.update(line.encode())
            fingerprint.update(pixels[index].tobytes())
            progress.update(index + 1)
    pixels.flush()
    write_json(out / "concepts.json", [dataclasses.asdict(concept) for concept in concepts])
    unused = {package for style, package in ICON_SETS.items() if style not in styles}
    record = {
        "count": count,
        "size": size,
        "seed": seed,
        "flower_weight": flower_weight,
        "jitter": jitter,
        "styles": list(styles),
        "held_out": held_out,
        "concepts": len(concepts),
        "sources": {
            name: {"version": version, "licence": licence, "use": use}
            for name, (version, licence, use) in SOURCES.items()
            if name not in unused
        },
        "fingerprint": fingerprint.hexdigest(),
    }
    write_json(out / "data.json", record)
    return record


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--packages", type=Path, default=Path("runs/packages"))
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flower-weight", type=float, default=2.0)
    parser.add_argument("--jitter", type=float, default=0.01)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--styles", nargs="+", choices=list(STYLES), default=["shaded"])
    parser.add_argument("--limit", type=int)
    args = vars(parser.parse_args())
    fetch_packages(args["packages"])
    print(json.dumps(build_dataset(**args)))


if __name__ == "__main__":
    main()
