"""The judge learns, the evaluation counts what it says, and the card holds no number that was not measured."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from t2i_trainer.emoji.card import CardOptions, write_card
from t2i_trainer.emoji.evaluate import EvaluateOptions, compare_looks, evaluate, score, synonym_lines
from t2i_trainer.emoji.exam import load_exam
from t2i_trainer.emoji.judge import GROUNDS, NOT_ASKED, TINTS, Judge, ask, labels, to_judge, with_nothing
from t2i_trainer.emoji.train_denoiser import DenoiserOptions, train_denoiser
from t2i_trainer.emoji.train_judge import JudgeOptions, read_images, train_judge
from t2i_trainer.emoji.variety import captions_with_several
from t2i_trainer.evaluation.psnr import psnr
from t2i_trainer.evaluation.sheet import contact_sheet
from t2i_trainer.evaluation.variety import mean_distance
from t2i_trainer.files import read_json, read_samples


@pytest.fixture(scope="module")
def judged_run(tiny_run, tmp_path_factory):
    run = tmp_path_factory.mktemp("judged")
    shutil.copytree(tiny_run / "vae", run / "vae")
    folders = {name: tiny_run / name for name in ("data", "val", "text")}
    train_denoiser(DenoiserOptions(**folders, out=run, steps=4, batch=8, channels=(32, 64), checkpoint_every=2))
    judge = JudgeOptions(data=tiny_run / "data", test=tiny_run / "val", out=run / "judge", steps=60, batch=32)
    train_judge(judge)
    return run


def test_the_judge_learns_and_states_its_accuracy_on_unseen_images(tiny_run, judged_run):
    record = json.loads((judged_run / "judge/judge.json").read_text())
    pixels, samples = read_images(tiny_run / "val")
    said, right = ask(Judge.load(judged_run / "judge"), pixels), labels(samples, record["concepts"])
    assert record["test_images"] == len(samples) == 32
    for question in right:
        accuracy = (said[question] == right[question]).float().mean().item()
        assert record[f"test_{question}_accuracy"] == pytest.approx(accuracy)
    assert record["test_background_accuracy"] > 0.5 and record["test_concept_accuracy"] > 0.4


def test_a_judge_of_the_other_body_is_another_network(tiny_run, tmp_path):
    given = {"data": tiny_run / "data", "test": tiny_run / "val", "out": tmp_path}
    train_judge(JudgeOptions(**given, steps=2, batch=16, body="residual"))
    judge = Judge.load(tmp_path)
    assert judge.kind == "residual"
    assert judge.state_dict().keys() != Judge(judge.concepts).state_dict().keys()


def test_the_judge_is_shown_images_of_nothing():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((40, 3, 128, 128), generator=generator)
    answers = {"concept": torch.zeros(40, dtype=torch.long), "count": torch.ones(40, dtype=torch.long)}
    shown, asked = with_nothing(images, answers, 7, generator)
    assert asked["concept"].tolist() == [7] * 4 + [0] * 36
    assert asked["count"].tolist() == [NOT_ASKED] * 4 + [1] * 36
    assert torch.equal(shown[4:], images[4:])
    assert all((shown[i] - images[i]).abs().mean() > 0.05 for i in range(4))


def line(concept, kind="plain", background="white", others=(), **asked):
    """A line of samples.jsonl, as far as scores need it."""
    things = [{"concept": concept, "colour": asked.get("colour")}]
    things += [{"concept": other, "colour": None} for other in others]
    return {"caption": "", "kind": kind, "asked": asked, "background": background, "placements": things}


def test_scores_count_a_question_only_where_it_is_asked():
    lines = [
        line(0, "colour", colour="red"),
        line(1, "count", "black", others=(1,), count=2),
        line(2, "pair", others=(0,)),
    ]
    said = {
        "concept": torch.tensor([0, 1, 0]),
        "second": torch.tensor([3, 3, 0]),
        "background": torch.tensor([GROUNDS.index("white"), GROUNDS.index("black"), GROUNDS.index("black")]),
        "colour": torch.tensor([TINTS.index("green"), TINTS.index("own"), TINTS.index("own")]),
        "count": torch.tensor([3, 1, 0]),
    }
    assert score(said, lines, 3) == pytest.approx(
        {
            "concept_top1": 2 / 3, "background": 2 / 3, "colour_when_asked": 0, "count_when_asked": 1,
            "second_when_asked": 1,
        }
    )  # fmt: skip


def test_synonyms_ask_for_the_concept_they_mean():
    lines = synonym_lines(load_exam(), ["cat", "house", "tulip"], seeds=2)
    assert [(line["caption"], line["concept"]) for line in lines] == [
        ("a tabby on a white background", 0),
        ("a tabby on a white background", 0),
        ("a cottage on a white background", 1),
        ("a cottage on a white background", 1),
    ]


def test_variety_is_the_distance_within_a_caption():
    samples = [{"caption": caption} for caption in ("a", "b", "a", "b", "c", "a")]
    assert captions_with_several(samples, 5, 2) == {"a": [0, 2], "b": [1, 3]}
    apart, near = np.array([[0.0], [2.0]]), np.array([[5.0], [6.0]])
    assert mean_distance([apart, near]) == pytest.approx(1.5)
    assert mean_distance([near + 100]) == pytest.approx(1)


@pytest.fixture
def repeated(tiny_run, tmp_path):
    """The training data, with two captions that stand twice."""
    data = shutil.copytree(tiny_run / "data", tmp_path / "data")
    lines = read_samples(data)
    for first, second in ((0, 1), (2, 3)):
        lines[second]["caption"] = lines[first]["caption"]
    (data / "samples.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return data


def test_looks_are_those_of_the_drawn_images_beside_the_real_ones(repeated, judged_run, monkeypatch):
    """Drawn images of half the contrast differ half as much and have a quarter of the energy."""
    pixels, samples = read_images(repeated)
    chosen = captions_with_several(samples, 40, 2)
    real = np.concatenate([pixels[indices] for indices in chosen.values()])
    monkeypatch.setattr("t2i_trainer.emoji.evaluate.generate", lambda *_: 64 + real // 2)
    looks = compare_looks(None, Judge.load(judged_run / "judge"), repeated, 40, 2, 1, 1.0)
    assert looks["looks_captions"] == len(chosen) > 0
    assert looks["variety_in_pixels"] == pytest.approx(0.5, abs=0.02)
    assert looks["sharpness"] == pytest.approx(0.25, abs=0.02)


def test_the_ratio_of_signal_to_noise_is_in_decibels():
    black = np.zeros((3, 2, 2, 3), np.uint8)
    others = black + np.array([255, 51, 0], np.uint8)[:, None, None, None]
    assert psnr(black, others) == pytest.approx([0, 20 * np.log10(5), 148.13], abs=0.01)
    assert np.array_equal(psnr(others, black), psnr(black, others))


def test_six_things_and_more_are_many():
    things = [{"concept": 2, "colour": None}] * 9 + [{"concept": 1, "colour": "red"}]
    samples = [{"placements": things[:count], "background": "white"} for count in (1, 5, 6, 9)]
    assert labels([*samples, {"placements": things[8:], "background": "black"}], 4) == {
        "concept": pytest.approx([2] * 5), "second": pytest.approx([4] * 4 + [1]),
        "background": pytest.approx([GROUNDS.index("white")] * 4 + [GROUNDS.index("black")]),
        "colour": pytest.approx([0] * 5), "count": pytest.approx([0, 4, 5, 5, 1]),
    }  # fmt: skip


def test_evaluation_and_card(tiny_run, judged_run, repeated, tmp_path):
    before = write_card(CardOptions(run=judged_run, data=tiny_run / "data", out=tmp_path / "before"))
    assert "The judge's table: not measured." in before and "Contact sheet: not measured." in before
    folders = {
        "run": judged_run, "data": repeated, "held_out": tiny_run / "held-out", "judge": judged_run / "judge",
    }  # fmt: skip
    sizes = {"captions": 6, "combinations": 4, "variety_captions": 2, "variety_seeds": 2, "sheet_seeds": 1}
    report = evaluate(EvaluateOptions(**folders, **sizes, steps=2, preset={"fast": 1, "same": 2}))
    fast, same = (
        report["suites"][f"training captions, preset {name}"] for name in ("fast (1 steps)", "same (2 steps)")
    )
    assert fast["images"] == 6 and 5 < fast["psnr_db_to_default"] < 60 and "concept_top1" in fast
    assert same["psnr_db_to_default"] > 60, "the same images"
    assert report["suites"]["training captions"]["images"] == 6
    assert report["suites"]["held-out combinations"]["images"] == 4
    for suite, folder in (("training captions", repeated), ("held-out combinations", tiny_run / "held-out")):
        captions = {line["caption"] for line in read_samples(folder)}
        assert {mistake.split(" -> ")[0] for mistake in report["mistakes"][suite]} <= captions, suite
    assert report["looks_captions"] == 2 and report["variety_in_pixels"] > 0 and report["sharpness"] > 0
    assert report["exam"] == read_json(judged_run / "options.json")["exam"]
    card = write_card(CardOptions(run=judged_run, data=tiny_run / "data", out=tmp_path / "after"))
    row = next(line for line in card.splitlines() if line.startswith("| training captions"))
    assert row.split(" | ")[2] == f"{report['suites']['training captions']['concept_top1']:.3g}"
    assert "4 steps of 8" in card and "4 things" in card and "$" not in card
    for name in ("evaluation.json", "contact-sheet.jpg", "training.jsonl"):
        assert (tmp_path / "after" / name).exists()


def test_a_contact_sheet_holds_every_image():
    rows = [(f"prompt {i}", np.full((2, 8, 8, 3), 40 * i, np.uint8)) for i in range(3)]
    sheet = np.asarray(contact_sheet(rows, columns=2))
    for i in range(3):
        assert (sheet == 40 * i).all(-1).sum() >= 2 * 64
    assert isinstance(contact_sheet(rows), Image.Image)


def test_the_judge_sees_images_of_its_size():
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    pixels[1] = 255
    seen = to_judge(pixels)
    assert seen.shape == (2, 3, 128, 128)
    assert torch.allclose(seen[0], torch.tensor(-1.0)) and torch.allclose(seen[1], torch.tensor(1.0), atol=1e-5)
