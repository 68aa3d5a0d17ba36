"""What a run's images show: what their captions asked for, whether seeds differ, whether edges are sharp."""

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from ..command_line import pairs, required
from ..evaluation.psnr import psnr
from ..evaluation.sampling import Run, generate
from ..evaluation.sharpness import gradient_energy
from ..evaluation.sheet import contact_sheet
from ..evaluation.variety import mean_distance
from ..files import read_json, read_samples, write_atomically, write_json
from ..presets import preset_steps
from ..sections import option
from .english import article
from .exam import Exam, exam_hash, load_exam
from .judge import TINTS, Judge, ask, features, labels
from .train_autoencoder import to_unit
from .variety import captions_with_several

FIRST = "training captions"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What is measured, and on how much."""

    run: Path = required("run folder")
    data: Path = required("folder of data.py that was trained on: captions of suite 1")
    held_out: Path = required("folder of data.py drawn with --held-out: suite 2")
    judge: Path = required("folder of train_judge.py")
    captions: int = option(500, "size of suite 1", least=1)
    combinations: int = option(200, "size of suite 2", least=1)
    synonym_seeds: int = option(1, "images for each word of suites 3 and 4: prompts are counted, not seeds", least=1)
    variety_captions: int = option(40, "captions whose images are compared with each other", least=1)
    variety_seeds: int = option(4, "images of each of them", least=2)
    sheet_seeds: int = option(4, "images for each prompt of the contact sheet", least=1)
    steps: int = option(30, "steps of an image", least=1)
    guidance: float = option(5.0, "classifier-free guidance", least=0)
    preset: dict[str, int] = pairs("steps by name, for suite 1 once more", preset_steps, "NAME=STEPS")
    device: str = option("cpu", "cpu, cuda or cuda:N")


def evaluate(options: EvaluateOptions) -> dict[str, Any]:
    """Returns the content of evaluation.json."""
    models, classifier, exam = Run.load(options.run, options.device), Judge.load(options.judge), load_exam()
    names = [concept["name"] for concept in read_json(options.data / "concepts.json")]
    suites = {
        FIRST: pick(options.data, options.captions),
        "held-out combinations": pick(options.held_out, options.combinations),
        "words no caption used": synonym_lines(exam, names, options.synonym_seeds),
        "colour words no caption used": colour_lines(exam, names, options.synonym_seeds),
    }
    table, worst, drawn = {}, {}, {}
    for suite, lines in suites.items():
        drawn[suite], said, table[suite] = examine(
            models, classifier, lines, len(names), options.steps, options.guidance
        )
        worst[suite] = mistakes(said, lines, names)
        print(json.dumps({suite: table[suite]}), flush=True)
    for preset, few in options.preset.items():
        suite = f"{FIRST}, preset {preset} ({few} steps)"
        images, _, scores = examine(models, classifier, suites[FIRST], len(names), few, options.guidance)
        table[suite] = {**scores, "psnr_db_to_default": float(np.median(psnr(images, drawn[FIRST])))}
        print(json.dumps({suite: table[suite]}), flush=True)
    looks = compare_looks(
        models, classifier, options.data, options.variety_captions, options.variety_seeds, options.steps,
        options.guidance,
    )  # fmt: skip
    print(json.dumps(looks), flush=True)
    rows = [
        (
            prompt,
            generate(
                models,
                [prompt] * options.sheet_seeds,
                list(range(options.sheet_seeds)),
                options.steps,
                options.guidance,
                quiet=True,
            ),
        )
        for prompt in exam.prompts
    ]
    write_atomically(
        options.run / "contact-sheet.jpg",
        lambda path: contact_sheet(rows).save(path, format="JPEG", quality=92, subsampling=0),
    )
    report = {
        "sampler": "ddim",
        "steps": options.steps,
        "guidance": options.guidance,
        "exam": exam_hash(),
        "judge": read_json(options.judge / "judge.json"),
        "suites": table,
        **looks,
        "mistakes": worst,
    }
    write_json(options.run / "evaluation.json", report)
    return report


def examine(
    models: Run, judge: Judge, lines: list[dict], concepts: int, steps: int, guidance: float
) -> tuple[np.ndarray, dict, dict]:
    """The images of a suite's lines, what the judge says of them, and their number with its scores."""
    images = generate(models, [line["caption"] for line in lines], list(range(len(lines))), steps, guidance)
    said = ask(judge, images)
    return images, said, {"images": len(lines), **score(said, lines, concepts)}


def compare_looks(
    models: Run, judge: Judge, data: Path, captions: int, each: int, steps: int, guidance: float
) -> dict[str, float]:
    """Generated beside real images of the same captions, `each` of both: distance between seeds, in pixels and in the
    judge's features, and gradient energy, all as ratios."""
    chosen = captions_with_several(read_samples(data), captions, each)
    if not chosen:
        raise SystemExit(f"--variety-seeds: expected a number of images that a caption of {data} has, received {each}")
    prompts = [caption for caption in chosen for _ in range(each)]
    drawn = generate(models, prompts, list(range(len(prompts))), steps, guidance)
    real = np.load(data / "pixels.npy", mmap_mode="r")[np.concatenate(list(chosen.values()))]
    ratios = {}
    for name, describe in {
        "pixels": lambda pixels: pixels / 255,
        "features": lambda p: features(judge, p).numpy(),
    }.items():
        ours, theirs = (np.split(describe(images), len(chosen)) for images in (drawn, real))
        ratios[f"variety_in_{name}"] = mean_distance(ours) / mean_distance(theirs)
    energies = [gradient_energy(to_unit(images, "cpu")).item() for images in (drawn, real)]
    return {"looks_captions": len(chosen), **ratios, "sharpness": energies[0] / energies[1]}


def pick(folder: Path, count: int) -> list[dict]:
    """`count` lines of a data set, chosen by a fixed seed."""
    lines = read_samples(folder)
    return random.Random(0).sample(lines, min(count, len(lines)))


def synonym_lines(exam: Exam, names: list[str], seeds: int) -> list[dict]:
    """Prompts with words that no caption holds; only the concept is asked for."""
    known = {word: name for word, name in exam.synonyms.items() if name in names}
    return [
        {"caption": f"{article(word)} on a white background", "concept": names.index(name)}
        for word, name in known.items()
        for _ in range(seeds)
    ]


def colour_lines(exam: Exam, names: list[str], seeds: int) -> list[dict]:
    """The same for colour words, each with every one of a few things."""
    things = [thing for thing in exam.coloured_things if thing in names]
    return [
        {"caption": article(f"{word} {thing}"), "concept": names.index(thing), "colour": colour}
        for word, colour in exam.colours.items()
        for thing in things
        for _ in range(seeds)
    ]


def score(said: dict, lines: list[dict], concepts: int) -> dict[str, float]:
    """Share of images in which the judge sees what was asked for, by question; a question counts only the lines that
    ask it. Lines are those of samples.jsonl, or a caption with its concept and perhaps a colour."""
    if "placements" not in lines[0]:
        scores = {"concept_top1": accuracy(said["concept"].tolist(), [line["concept"] for line in lines])}
        coloured = [i for i, line in enumerate(lines) if "colour" in line]
        if coloured:
            scores["colour_when_asked"] = accuracy(
                [TINTS[said["colour"][i]] for i in coloured], [lines[i]["colour"] for i in coloured]
            )
        return scores
    right = labels(lines, concepts)
    asking = {
        "concept_top1": ("concept", range(len(lines))),
        "background": ("background", range(len(lines))),
        "colour_when_asked": ("colour", [i for i, line in enumerate(lines) if "colour" in line["asked"]]),
        "count_when_asked": ("count", [i for i, line in enumerate(lines) if line["kind"] == "count"]),
        "second_when_asked": ("second", [i for i, line in enumerate(lines) if line["kind"] == "pair"]),
    }
    return {
        name: accuracy([said[question][i].item() for i in asked], [right[question][i].item() for i in asked])
        for name, (question, asked) in asking.items()
        if asked
    }


def accuracy(said: list, right: list) -> float:
    return float(np.mean([a == b for a, b in zip(said, right, strict=True)]))


def mistakes(said: dict, lines: list[dict], names: list[str], most: int = 40) -> list[str]:
    """Captions whose concept the judge did not see, with what it saw."""
    answers = [*names, "nothing"]
    wanted = [line["placements"][0]["concept"] if "placements" in line else line["concept"] for line in lines]
    wrong = [
        f"{line['caption']} -> {answers[int(answer)]}"
        for answer, line, concept in zip(said["concept"], lines, wanted, strict=True)
        if int(answer) != concept
    ]
    return wrong[:most]
