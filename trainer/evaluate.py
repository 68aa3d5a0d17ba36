"""Measures a run: does each image show what its caption asked for, do seeds differ, are edges sharp?

    python trainer/evaluate.py --run runs/emoji-128 --data runs/emoji-128/data --held-out runs/emoji-128/held-out \\
        --judge runs/emoji-128/judge

Writes `evaluation.json` and `contact-sheet.jpg` into the run folder. Suites: captions of the training data,
combinations that training left out, and words that no caption used (t2i_trainer/emoji/exam.json). The seed of image i
of a suite is i.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np

from t2i_trainer.emoji.english import article
from t2i_trainer.emoji.exam import Exam, exam_hash, load_exam
from t2i_trainer.emoji.judge import TINTS, Judge, ask, features, labels
from t2i_trainer.emoji.variety import captions_with_several
from t2i_trainer.evaluation.psnr import psnr
from t2i_trainer.evaluation.sampling import Run, generate
from t2i_trainer.evaluation.sharpness import gradient_energy
from t2i_trainer.evaluation.sheet import contact_sheet
from t2i_trainer.evaluation.variety import mean_distance
from t2i_trainer.files import read_json, read_samples, write_atomically, write_json
from t2i_trainer.presets import add_preset_flag
from train_vae import to_unit

FIRST = "training captions"


def evaluate(
    run: Path,  # run folder
    data: Path,  # training data folder: captions of suite 1
    held_out: Path,  # data folder drawn with --held-out: suite 2
    judge: Path,  # folder of train_judge.py
    captions: int = 500,  # size of suite 1
    combinations: int = 200,  # size of suite 2
    synonym_seeds: int = 1,  # images for each word of suites 3 and 4: prompts are counted, not seeds
    variety_captions: int = 40,  # captions whose images are compared with each other
    variety_seeds: int = 4,  # images of each of them
    sheet_seeds: int = 4,  # images for each prompt of the contact sheet
    steps: int = 30,
    guidance: float = 5.0,
    presets: dict[str, int] | None = None,  # steps by name, for suite 1 once more
    device: str = "cpu",
) -> dict:
    """Returns the content of evaluation.json."""
    models, classifier, exam = Run.load(run, device), Judge.load(judge), load_exam()
    names = [concept["name"] for concept in read_json(data / "concepts.json")]
    suites = {
        FIRST: pick(data, captions),
        "held-out combinations": pick(held_out, combinations),
        "words no caption used": synonym_lines(exam, names, synonym_seeds),
        "colour words no caption used": colour_lines(exam, names, synonym_seeds),
    }
    table, worst, drawn = {}, {}, {}
    for suite, lines in suites.items():
        drawn[suite], said, table[suite] = examine(models, classifier, lines, len(names), steps, guidance)
        worst[suite] = mistakes(said, lines, names)
        print(json.dumps({suite: table[suite]}), flush=True)
    for preset, few in (presets or {}).items():
        suite = f"{FIRST}, preset {preset} ({few} steps)"
        images, _, scores = examine(models, classifier, suites[FIRST], len(names), few, guidance)
        table[suite] = {**scores, "psnr_db_to_default": float(np.median(psnr(images, drawn[FIRST])))}
        print(json.dumps({suite: table[suite]}), flush=True)
    looks = compare_looks(models, classifier, data, variety_captions, variety_seeds, steps, guidance)
    print(json.dumps(looks), flush=True)
    rows = [
        (prompt, generate(models, [prompt] * sheet_seeds, list(range(sheet_seeds)), steps, guidance, quiet=True))
        for prompt in exam.prompts
    ]
    write_atomically(
        run / "contact-sheet.jpg", lambda path: contact_sheet(rows).save(path, format="JPEG", quality=92, subsampling=0)
    )
    report = {
        "sampler": "ddim",
        "steps": steps,
        "guidance": guidance,
        "exam": exam_hash(),
        "judge": read_json(judge / "judge.json"),
        "suites": table,
        **looks,
        "mistakes": worst,
    }
    write_json(run / "evaluation.json", report)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--captions", type=int, default=500)
    parser.add_argument("--combinations", type=int, default=200)
    parser.add_argument("--synonym-seeds", type=int, default=1)
    parser.add_argument("--variety-captions", type=int, default=40)
    parser.add_argument("--variety-seeds", type=int, default=4)
    parser.add_argument("--sheet-seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=5.0)
    add_preset_flag(parser)
    parser.add_argument("--device", default="cpu")
    evaluate(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
