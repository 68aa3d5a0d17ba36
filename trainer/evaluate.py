"""Measures a run with the judge: does each picture show what its caption asked for?

    python trainer/evaluate.py --run runs/emoji-128 --data runs/emoji-128/data --held-out runs/emoji-128/heldout
    --judge runs/emoji-128/judge

Writes `evaluation.json` and `contact-sheet.png` into the run folder. Suites: captions of the training data,
combinations that training left out, and words that
no caption used. The seed of picture i of a suite is i.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np

from t2i_trainer.captions import article
from t2i_trainer.concepts import HELD_OUT_COLOURS, HELD_OUT_SYNONYMS
from t2i_trainer.files import read_json, read_samples, write_atomically, write_json
from t2i_trainer.judge import TINTS, Judge, ask, labels
from t2i_trainer.sampling import Run, generate
from t2i_trainer.sheet import contact_sheet

SHEET_PROMPTS = (
    "a bright yellow sunflower with green leaves", "a red rose with water droplets on its petals",
    "a purple lavender field at sunset",
    "a white daisy on a grassy meadow", "a pink cherry blossom tree in spring", "a red apple on a blue background",
    "a blue tulip on a yellow background", "a pink hibiscus under a blue sky",
    "a purple lotus on a black background", "a bouquet on a white background",
    "a cat on a purple background", "a kitty on a green background", "a dog on a grassy meadow",
    "three bananas on a pink background",
    "two butterflies on a light blue background", "an owl under a night sky", "an automobile on a sandy beach",
    "a crimson umbrella in the snow",
    "a rocket under a night sky", "a strawberry on white", "a slice of pizza on a red background",
    "a green frog on an orange background",
    "a small penguin in the snow", "a birthday cake on a pink background",
)  # fmt: skip
COLOURED_THINGS = ("rose", "tulip", "car", "balloon", "umbrella", "t-shirt")


def evaluate(
    run: Path,  # run folder
    data: Path,  # training data folder: captions of suite 1
    held_out: Path,  # data folder drawn with --held-out: suite 2
    judge: Path,  # folder of train_judge.py
    captions: int = 500,  # size of suite 1
    combinations: int = 200,  # size of suite 2
    synonym_seeds: int = 5,  # pictures for each word of suite 3
    sheet_seeds: int = 4,  # pictures for each prompt of the contact sheet
    steps: int = 30,
    guidance: float = 5.0,
    device: str = "cpu",
) -> dict:
    """Returns the content of evaluation.json."""
    models, classifier = Run.load(run, device), Judge.load(judge)
    names = [concept["name"] for concept in read_json(data / "concepts.json")]
    suites = {
        "training captions": pick(data, captions),
        "held-out combinations": pick(held_out, combinations),
        "words no caption used": synonym_lines(names, synonym_seeds),
        "colour words no caption used": colour_lines(names, synonym_seeds),
    }
    table, worst = {}, {}
    for suite, lines in suites.items():
        pictures = generate(models, [line["caption"] for line in lines], list(range(len(lines))), steps, guidance)
        said = ask(classifier, pictures)
        table[suite] = {"pictures": len(lines), **score(said, lines)}
        worst[suite] = mistakes(said, lines, names)
        print(json.dumps({suite: table[suite]}), flush=True)
    rows = [
        (prompt, generate(models, [prompt] * sheet_seeds, list(range(sheet_seeds)), steps, guidance, quiet=True))
        for prompt in SHEET_PROMPTS
    ]
    write_atomically(
        run / "contact-sheet.png", lambda path: contact_sheet(rows).save(path, format="PNG", optimize=True)
    )
    report = {
        "sampler": "ddim",
        "steps": steps,
        "guidance": guidance,
        "judge": read_json(judge / "judge.json"),
        "suites": table,
        "mistakes": worst,
    }
    write_json(run / "evaluation.json", report)
    return report


def pick(folder: Path, count: int) -> list[dict]:
    """`count` lines of a data set, chosen by a fixed seed."""
    lines = read_samples(folder)
    return random.Random(0).sample(lines, min(count, len(lines)))


def synonym_lines(names: list[str], seeds: int) -> list[dict]:
    """Prompts with words that no caption holds; only the concept is asked for."""
    known = {word: name for word, name in HELD_OUT_SYNONYMS.items() if name in names}
    return [
        {"caption": f"{article(word)} on a white background", "concept": names.index(name)}
        for word, name in known.items()
        for _ in range(seeds)
    ]


def colour_lines(names: list[str], seeds: int) -> list[dict]:
    """The same for colour words, each with a thing in turn."""
    lines = []
    for word, colour in HELD_OUT_COLOURS.items():
        things = [thing for thing in COLOURED_THINGS if thing in names][:seeds]
        lines += [
            {"caption": article(f"{word} {thing}"), "concept": names.index(thing), "colour": colour} for thing in things
        ]
    return lines


def score(said: dict, lines: list[dict]) -> dict[str, float]:
    """Share of pictures in which the judge sees what was asked for, by question; a question counts only the lines that
    ask it."""
    scores = {"concept_top1": accuracy(said["concept"].tolist(), [line["concept"] for line in lines])}
    if "background" in lines[0]:
        right = labels(lines)
        scores["background"] = accuracy(said["background"].tolist(), right["background"].tolist())
        several = [i for i, line in enumerate(lines) if line["count"] > 1]
        if several:
            scores["count_when_asked"] = accuracy(
                [said["count"][i].item() for i in several], [right["count"][i].item() for i in several]
            )
    coloured = [i for i, line in enumerate(lines) if line.get("colour")]
    if coloured:
        scores["colour_when_asked"] = accuracy(
            [TINTS[said["colour"][i]] for i in coloured], [lines[i]["colour"] for i in coloured]
        )
    return scores


def accuracy(said: list, right: list) -> float:
    return float(np.mean([a == b for a, b in zip(said, right, strict=True)]))


def mistakes(said: dict, lines: list[dict], names: list[str], most: int = 40) -> list[str]:
    """Captions whose concept the judge did not see, with what it saw."""
    wrong = [
        (line["caption"], names[int(answer)])
        for answer, line in zip(said["concept"], lines, strict=True)
        if int(answer) != line["concept"]
    ]
    return [f"{caption} -> {seen}" for caption, seen in wrong[:most]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--captions", type=int, default=500)
    parser.add_argument("--combinations", type=int, default=200)
    parser.add_argument("--synonym-seeds", type=int, default=5)
    parser.add_argument("--sheet-seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--device", default="cpu")
    evaluate(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
