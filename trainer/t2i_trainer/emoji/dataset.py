"""The training set of the default model: images with captions, composed from the source packages."""

import argparse
import dataclasses
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..command_line import pairs, required
from ..files import write_json
from ..progress import Progress
from ..sections import option
from .captions import Sample, SceneChooser
from .compose import Composer
from .concepts import SOURCES, Concept, load_concepts
from .scene import Scene
from .styles import ICON_SETS, STYLES, PictureBook

CHUNK = 256


def style_share(text: str) -> tuple[str, float]:
    """`flat=0.2` as a pair."""
    name, _, share = text.partition("=")
    if name not in STYLES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(STYLES)}, received {name}")
    return name, float(share or 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """What is drawn."""

    out: Path = required("folder that receives the files; made when missing")
    packages: Path = option(Path("runs/packages"), "folder with a node_modules of the source packages")
    count: int = option(250_000, "images", least=1)
    size: int = option(128, "side of an image in pixels", least=1)
    seed: int = option(0, "of the choice of scenes", least=0)
    flower_weight: float = option(2.0, "how much more often a flower is drawn than another concept", above=0)
    jitter: float = option(0.08, "how far a thing strays from its place, as a share of the side", least=0)
    held_out: bool = option(False, "draw only the combinations that training leaves out")
    styles: dict[str, float] = pairs(
        "how often each style is drawn; shaded alone where none is given", style_share, "STYLE=SHARE", shaded=1.0
    )
    limit: int | None = option(None, "use the first so many concepts only", least=1)
    workers: int = option(os.cpu_count() or 1, "processes that draw", least=1)


def build_dataset(options: DatasetOptions) -> dict[str, Any]:
    """Writes the data set and returns its record (the content of data.json)."""
    out, count, size, styles = options.out, options.count, options.size, options.styles
    concepts = usable_concepts(options.packages, tuple(styles), options.limit)
    if not concepts:
        raise SystemExit(f"--packages: no concept found below {options.packages}; delete the folder and run again")
    out.mkdir(parents=True, exist_ok=True)
    weights = {"plant-flower": options.flower_weight}
    chooser = SceneChooser(concepts, weights, options.seed, options.held_out, options.jitter, styles)
    samples = [chooser.sample() for _ in range(count)]
    pixels = np.lib.format.open_memmap(out / "pixels.npy", "w+", np.uint8, (count, size, size, 3))
    fingerprint, done = hashlib.sha256(), 0
    progress = Progress("data", count, "images")
    chunks = draw_all(samples, options.packages, tuple(styles), options.limit, size, options.workers)
    with (out / "samples.jsonl").open("w") as lines:
        for drawn in chunks:
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
        "seed": options.seed,
        "flower_weight": options.flower_weight,
        "jitter": options.jitter,
        "styles": styles,
        "held_out": options.held_out,
        "limit": options.limit,
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
