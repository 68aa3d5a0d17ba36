"""Builds the training set of the default model: images with captions, composed from npm packages.

    python trainer/data.py --out runs/emoji-128/data --count 250000

Writes `pixels.npy` (uint8 [count, size, size, 3]), `samples.jsonl` (a line each, in the same order: caption, kind, what
was asked, scene), `concepts.json` and `data.json` (options, sources with licences, fingerprint). The same options give
the same bytes, whatever --workers says; with another numpy, or on another kind of processor, pixels can be rounded
differently. The packages are fetched with npm into --packages unless they are there.
"""

import argparse
import dataclasses
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from t2i_trainer.emoji.captions import Sample, SceneChooser
from t2i_trainer.emoji.compose import Composer
from t2i_trainer.emoji.concepts import SOURCES, Concept, load_concepts
from t2i_trainer.emoji.scene import Scene
from t2i_trainer.emoji.styles import ICON_SETS, STYLES, PictureBook
from t2i_trainer.files import write_json
from t2i_trainer.progress import Progress

CHUNK = 256


def build_dataset(
    out: Path,  # folder that receives the files; made when missing
    packages: Path,  # folder with a node_modules of SOURCES
    count: int = 250_000,  # images
    size: int = 128,  # side in pixels
    seed: int = 0,  # of the choice of scenes
    flower_weight: float = 2.0,  # how much more often a flower is drawn than another concept
    jitter: float = 0.08,  # how far a thing strays from its place, as a fraction of the side
    held_out: bool = False,  # draw only the combinations that training leaves out
    styles: dict[str, float] | None = None,  # how often each of STYLES is drawn; shaded alone when None
    limit: int | None = None,  # use the first so many concepts only
    workers: int = 1,  # processes that draw
) -> dict:
    """Writes the data set and returns its record (the content of data.json)."""
    styles = styles or {"shaded": 1.0}
    concepts = usable_concepts(packages, tuple(styles), limit)
    if not concepts:
        raise SystemExit(f"--packages: no concept found below {packages}; delete the folder and run again")
    out.mkdir(parents=True, exist_ok=True)
    chooser = SceneChooser(concepts, {"plant-flower": flower_weight}, seed, held_out, jitter, styles)
    samples = [chooser.sample() for _ in range(count)]
    pixels = np.lib.format.open_memmap(out / "pixels.npy", "w+", np.uint8, (count, size, size, 3))
    fingerprint, done = hashlib.sha256(), 0
    progress = Progress("data", count, "images")
    with (out / "samples.jsonl").open("w") as lines:
        for drawn in draw_all(samples, packages, tuple(styles), limit, size, workers):
            part = slice(done, done + len(drawn))
            pixels[part] = drawn
            for sample in samples[part]:
                line = sample_line(sample)
                lines.write(f"{line}\n")
                fingerprint.update(line.encode())
            fingerprint.update(drawn.tobytes())
            done = part.stop
            progress.update(done)
    pixels.flush()
    write_json(out / "concepts.json", [dataclasses.asdict(concept) for concept in concepts])
    unused = {package for style, package in ICON_SETS.items() if style not in styles}
    record = {
        "count": count,
        "size": size,
        "seed": seed,
        "flower_weight": flower_weight,
        "jitter": jitter,
        "styles": styles,
        "held_out": held_out,
        "limit": limit,
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


def sample_line(sample: Sample) -> str:
    return json.dumps(
        {"caption": sample.caption, "kind": sample.kind, "asked": sample.asked, **dataclasses.asdict(sample.scene)}
    )


def usable_concepts(packages: Path, styles: tuple[str, ...], limit: int | None = None) -> list[Concept]:
    """Those that exist in every style."""
    book = PictureBook(packages / "node_modules")
    every = load_concepts(packages / "node_modules")[:limit]
    return [concept for concept in every if all(book.has(concept.code, style) for style in styles)]


@cache
def open_composer(packages: Path, styles: tuple[str, ...], limit: int | None, size: int) -> Composer:
    """One for each process: what it has read stays with it."""
    book, concepts = PictureBook(packages / "node_modules"), usable_concepts(packages, styles, limit)
    return Composer(lambda concept, style: book.open(concepts[concept].code, style), size)


def draw_chunk(work: tuple[list[Scene], Path, tuple[str, ...], int | None, int]) -> np.ndarray:
    scenes, packages, styles, limit, size = work
    composer = open_composer(packages, styles, limit, size)
    return np.stack([composer.draw(scene) for scene in scenes])


def draw_all(
    samples: list[Sample], packages: Path, styles: tuple[str, ...], limit: int | None, size: int, workers: int
) -> Iterator[np.ndarray]:
    """The images in order, CHUNK at a time, uint8 [n, size, size, 3]."""
    scenes = [sample.scene for sample in samples]
    work = [(scenes[i : i + CHUNK], packages, styles, limit, size) for i in range(0, len(scenes), CHUNK)]
    if workers == 1:
        yield from map(draw_chunk, work)
        return
    with multiprocessing.Pool(workers) as pool:
        yield from pool.imap(draw_chunk, work)


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


def style_share(text: str) -> tuple[str, float]:
    """`flat=0.2` as a pair."""
    name, _, share = text.partition("=")
    if name not in STYLES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(STYLES)}, received {name}")
    return name, float(share or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--packages", type=Path, default=Path("runs/packages"))
    parser.add_argument("--count", type=int, default=250_000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flower-weight", type=float, default=2.0)
    parser.add_argument("--jitter", type=float, default=0.08)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--styles", nargs="+", type=style_share, metavar="STYLE=SHARE", default=[("shaded", 1.0)])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = vars(parser.parse_args())
    args["styles"] = dict(args["styles"])
    fetch_packages(args["packages"])
    print(json.dumps(build_dataset(**args)))


if __name__ == "__main__":
    main()
