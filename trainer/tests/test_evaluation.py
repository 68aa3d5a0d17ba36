"""The judge learns, the evaluation counts what it says, and the card holds no number that was not measured."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from card import write_card
from evaluate import evaluate, score, synonym_lines
from t2i_trainer.judge import GROUNDS, TINTS, Judge, ask, labels, shrink
from t2i_trainer.sheet import contact_sheet
from train import train
from train_judge import read_pictures, train_judge


@pytest.fixture(scope="module")
def judged_run(tiny_run, tmp_path_factory):
    run = tmp_path_factory.mktemp("judged")
    for part in ("tokenizer", "text_encoder", "vae", "sketch"):
        shutil.copytree(tiny_run / part, run / part)
    train(tiny_run / "data", tiny_run / "val", run, steps=4, batch=8, channels=(32, 64), checkpoint_every=2)
    train_judge(tiny_run / "data", tiny_run / "val", run / "judge", steps=60, batch=32)
    return run


def test_the_judge_learns_and_states_its_accuracy_on_unseen_pictures(tiny_run, judged_run):
    record = json.loads((judged_run / "judge/judge.json").read_text())
    pixels, scenes = read_pictures(tiny_run / "val")
    said, right = ask(Judge.load(judged_run / "judge"), pixels), labels(scenes)
    assert record["test_pictures"] == len(scenes) == 32
    for question in right:
        accuracy = (said[question] == right[question]).float().mean().item()
        assert record[f"test_{question}_accuracy"] == pytest.approx(accuracy)
    assert record["test_concept_accuracy"] > 0.6


def test_scores_count_a_question_only_where_it_is_asked():
    lines = [
        {"concept": 0, "background": "white", "colour": "red", "count": 1},
        {"concept": 1, "background": "black", "colour": None, "count": 2},
        {"concept": 2, "background": "white", "colour": "blue", "count": 3},
    ]
    said = {
        "concept": torch.tensor([0, 1, 0]),
        "background": torch.tensor([GROUNDS.index("white"), GROUNDS.index("black"), GROUNDS.index("black")]),
        "colour": torch.tensor([TINTS.index("red"), TINTS.index("own"), TINTS.index("green")]),
        "count": torch.tensor([3, 1, 2]),
    }
    scores = score(said, lines)
    assert scores == pytest.approx(
        {"concept_top1": 2 / 3, "background": 2 / 3, "colour_when_asked": 0.5, "count_when_asked": 1.0}
    )


def test_synonyms_ask_for_the_concept_they_mean():
    lines = synonym_lines(["cat", "house", "tulip"], seeds=2)
    assert [(line["caption"], line["concept"]) for line in lines] == [
        ("a kitty on a white background", 0),
        ("a kitty on a white background", 0),
        ("a residence on a white background", 1),
        ("a residence on a white background", 1),
    ]


def test_evaluation_and_card(tiny_run, judged_run, tmp_path):
    before = write_card(judged_run, tiny_run / "data", tmp_path / "before")
    assert "The judge's table: not measured." in before and "Contact sheet: not measured." in before
    report = evaluate(
        judged_run, tiny_run / "data", tiny_run / "held-out", judged_run / "judge", captions=6, combinations=4,
        synonym_seeds=1, sheet_seeds=1, steps=2,
    )  # fmt: skip
    assert report["suites"]["training captions"]["pictures"] == 6
    assert report["suites"]["held-out combinations"]["pictures"] == 4
    card = write_card(judged_run, tiny_run / "data", tmp_path / "after")
    row = next(line for line in card.splitlines() if line.startswith("| training captions"))
    assert row.split(" | ")[2] == f"{report['suites']['training captions']['concept_top1']:.3g}"
    assert "4 steps of 8" in card and "4 things" in card and "$" not in card
    for name in ("evaluation.json", "contact-sheet.png", "training.jsonl"):
        assert (tmp_path / "after" / name).exists()


def test_a_contact_sheet_holds_every_picture():
    rows = [(f"prompt {i}", np.full((2, 8, 8, 3), 40 * i, np.uint8)) for i in range(3)]
    sheet = np.asarray(contact_sheet(rows, columns=2))
    for i in range(3):
        assert (sheet == 40 * i).all(-1).sum() >= 2 * 64
    assert isinstance(contact_sheet(rows), Image.Image)


def test_the_judge_sees_pictures_averaged_down():
    pixels = np.zeros((1, 128, 128, 3), np.uint8)
    pixels[:, ::2] = 255
    assert torch.allclose(shrink(pixels), torch.tensor(127.5 / 127.5 - 1), atol=1e-6)
