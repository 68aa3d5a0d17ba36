"""The evaluation of a project's model: what it draws, measures and says, and of what."""

import hashlib
import importlib
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from model_folders import RECORD, parameters, write_clip, write_data, write_project

from t2i_trainer.evaluation.card import model_card
from t2i_trainer.evaluation.prompts import CLIP_PROMPTS, GALLERY
from t2i_trainer.files import read_json
from t2i_trainer.networks.model_folder import model_hashes
from t2i_trainer.onnx.project import report_of
from t2i_trainer.stage import StageError, main

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))
evaluate_model = importlib.import_module("evaluate_model")
METRICS = [
    {"step": 10, "train_diffuser_loss": None, "val_diffuser_loss": 0.9},
    {"step": 20, "train_diffuser_loss": 0.6, "val_diffuser_loss": 0.5},
    {"step": 40, "train_diffuser_loss": 0.4, "val_diffuser_loss": 0.25},
]
OUTPUTS = ("samples", "reports", "saved_models/README.md")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A project that nothing was evaluated in."""
    project = tmp_path_factory.mktemp("model")
    write_project(project)
    write_clip(project / "clip")
    write_data(project, 6)
    (project / "runs" / "run_1").mkdir(parents=True)
    lines = [json.dumps(line) + "\n" for line in METRICS]
    (project / "runs" / "run_1" / "metrics.jsonl").write_text("".join(lines) + '{"step": 50, "train_')
    return project


def evaluate(project: Path, *flags: str, code: int = 0, **options: object) -> list[dict]:
    """What the stage prints before it ends with `code`."""
    (project / "params.json").write_text(parameters(evaluate=options).model_dump_json())
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("t2i_trainer.stage.emit", lambda event, **fields: lines.append({"event": event, **fields}))
        arguments = ["--project", str(project), "--params", str(project / "params.json"), *flags]
        ended = main("", evaluate_model.stage, arguments, evaluate_model.add_flags)
    assert ended == code, lines[-1]
    return lines


@pytest.fixture(scope="module")
def measured(model) -> tuple[Path, list[dict]]:
    """A project with everything measured, and what was told."""
    return model, evaluate(model, clip_model="clip", fid_images=8)


def outputs(project: Path) -> dict[str, str]:
    paths = [path for name in OUTPUTS for path in ((project / name).rglob("*"), [project / name])]
    files = sorted(file for group in paths for file in group if file.is_file())
    return {str(file.relative_to(project)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_number_says_how_many_images_it_is_of_and_by_what(measured):
    project, _ = measured
    report = read_json(project / "reports" / "evaluation.json")
    numbers = report["measured"]
    assert {name: value["n"] for name, value in numbers.items()} == {
        "clip_score": 12,
        "fid": 6,
        "kid": 6,
        "judge": 10,
        "variety": 10,
    }
    assert numbers["clip_score"]["prompts"] == list(CLIP_PROMPTS) and numbers["clip_score"]["seeds"] == [0, 1]
    assert 0 <= numbers["clip_score"]["value"] <= 100 and numbers["clip_score"]["confidence_95"] > 0
    assert numbers["fid"]["value"] > 0 and numbers["fid"]["features"] == numbers["clip_score"]["by"]
    assert 0 < numbers["variety"]["value"] < 1
    assert 0 <= numbers["judge"]["value"] <= 1 and numbers["judge"]["prompts"] == list(GALLERY)
    assert report["gate"]["verdict"] == "not compared" and report["gate"]["with"] is None
    assert re.fullmatch("[0-9a-f]{64}", numbers["clip_score"]["by"]["sha256"])
    assert report["run"] == RECORD and report["validation_set"] == "ef" * 32
    assert report["model"] == model_hashes(project / "saved_models" / "diffuser")
    assert report_of(report["model"], project / "reports" / "evaluation.json") == report
    assert [sample["prompt"] for sample in report["gallery"]] == list(GALLERY)


def test_too_few_images_for_fid_are_told(measured):
    messages = [event["message"] for event in measured[1] if event["event"] == "warning"]
    assert len(messages) == 2
    assert "has 6 images, and 8 were asked for" in messages[0] and "FID of 6 images is too high" in messages[1]


def test_the_same_seed_gives_the_same_files(measured, model):
    before = outputs(model)
    assert len(before) == 9
    for name in ("samples", "reports"):
        shutil.rmtree(model / name)
    evaluate(model, clip_model="clip", fid_images=8)
    assert outputs(model) == before


class Page(HTMLParser):
    """Tags that are open, and the addresses, texts and sources of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.attributes, self.text, self.seen = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_needs_nothing_else(measured):
    project, _ = measured
    text = (project / "reports" / "evaluation.html").read_text()
    page = Page(text)
    assert page.open == [] and "script" not in page.seen and "link" not in page.seen
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    assert len(sources) == 5 and all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    assert all(value for name, value in page.attributes if name == "alt")
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text and "://" not in text
    lines = dict(re.findall(r'<polyline class="(\w+)" points="([^"]+)"', text))
    assert {name: len(points.split()) for name, points in lines.items()} == {"training": 2, "validation": 3}
    x, y = lines["validation"].split()[-1].split(",")
    assert (float(x), float(y)) == (628, 224), "the last step on the right, the lowest loss at the bottom"
    assert "validation loss 0.25 at step 40" in text


def test_no_number_of_the_card_is_without_its_run(measured):
    project, _ = measured
    text = (project / "saved_models" / "README.md").read_text()
    header = yaml.safe_load(text.split("---")[1])
    assert header["pipeline_tag"] == "text-to-image" and header["library_name"] == "diffusers"
    rows = [row for row in text.splitlines() if row.startswith("| ")][2:]
    assert len(rows) == 6
    assert all(row.endswith(f"| `run_1` ({'cd' * 6}) |") for row in rows)
    assert "| Validation loss | 0.25 | step 40 |" in text


@pytest.mark.parametrize(
    ("licence", "header"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("Of our own: ask us", {"license": "other", "license_name": "of-our-own-ask-us"}),
        ("not stated", {"license": "other", "license_name": "not-stated"}),
    ],
)
def test_the_card_has_the_licence_that_the_project_states(measured, licence, header):
    project, _ = measured
    card = model_card({**read_json(project / "reports" / "evaluation.json"), "licence": licence})
    stated = {name: value for name, value in yaml.safe_load(card.split("---")[1]).items() if "license" in name}
    assert stated == header
    terms = card.split("## Licence")[1]
    assert ("state it in `export.licence`" in terms) == (licence == "not stated")
    assert licence == "not stated" or licence in terms


def test_what_is_not_measured_says_so_and_why(model, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(model, project)
    record = {**RECORD, "best_val_diffuser_loss": None, "run_name": "<run>"}
    (project / "saved_models" / "model_metadata.json").write_text(json.dumps(record))
    (project / "prompts.txt").write_text("a | <script>alert(1)</script>\n\n a red apple \n", encoding="utf-8")
    (project / "samples").mkdir(exist_ok=True)
    (project / "samples" / "sample_9.png").write_bytes(b"of another prompt")
    (project / "samples" / "mine.txt").write_text("kept")
    evaluate(project, seeds=1, fid_images=4)
    report = read_json(project / "reports" / "evaluation.json")
    assert {value["value"] for value in report["measured"].values()} == {"not measured"}
    reasons = {name: value["reason"] for name, value in report["measured"].items()}
    assert reasons == {
        "clip_score": "evaluate.clip_model is null", "fid": "it takes evaluate.clip_model",
        "kid": "it takes evaluate.clip_model",
        "judge": "evaluate.clip_model is null", "variety": "it takes evaluate.seeds of 2 or more",
    }  # fmt: skip
    card = (project / "saved_models" / "README.md").read_text()
    assert card.count("| not measured |") == 6
    page = Page((project / "reports" / "evaluation.html").read_text())
    assert "Not recorded." in page.text and "script" not in page.seen and page.open == []
    names = {path.name for path in (project / "samples").iterdir()}
    assert names == {"sample_1.png", "sample_2.png", "README.md", "mine.txt"}
    gallery = (project / "samples" / "README.md").read_text()
    assert "| a \\| &lt;script&gt;alert(1)&lt;/script&gt; | ![](sample_1.png) |" in gallery
    assert "| a red apple | ![](sample_2.png) |" in gallery


@pytest.mark.parametrize(
    ("record", "lacking"),
    [(None, ["the file"]), ("[1", ["a JSON object"]), ('{"run_name": "a", "best_step": 1, "validation": {}}', 2)],
)
def test_a_model_of_no_known_run_is_not_evaluated(tmp_path, record, lacking):
    project = tmp_path
    write_project(project)
    (project / "saved_models" / "model_metadata.json").unlink()
    if record:
        (project / "saved_models" / "model_metadata.json").write_text(record)
    with pytest.raises(StageError, match="does not say which run") as caught:
        evaluate_model.stage(project, parameters())
    found = [issue.expected for issue in caught.value.issues]
    assert found == (lacking if isinstance(lacking, list) else ["config_hash", "best_val_diffuser_loss"])
    assert not (project / "samples").exists()


def test_prompts_that_cannot_be_read_are_refused(model, tmp_path):
    from t2i_trainer.evaluation.prompts import gallery_prompts

    assert gallery_prompts(tmp_path) == GALLERY
    for content in (b"\n \n", b"\xff\xfe"):
        (tmp_path / "prompts.txt").write_bytes(content)
        with pytest.raises(StageError, match=r"prompts\.txt: expected a prompt on each line"):
            gallery_prompts(tmp_path)


def test_a_model_that_measures_worse_is_told_after_its_report_is_written(measured, tmp_path):
    project = measured[0]
    before = read_json(project / "reports" / "evaluation.json")
    before["run"] = {**before["run"], "run_name": "run_0", "version": 1}
    before["measured"]["clip_score"]["value"] += 50
    (tmp_path / "before.json").write_text(json.dumps(before))
    flags = ("--before", str(tmp_path / "before.json"))
    report, page, card = (
        project / name for name in ("reports/evaluation.json", "reports/evaluation.html", "saved_models/README.md")
    )
    report.unlink()
    error = evaluate(project, *flags, code=1, clip_model="clip", fid_images=8)[-1]
    assert error["code"] == "EVALUATION_WORSE" and "version 1, run_0: CLIP score fell from" in error["message"]
    failed = read_json(report)
    assert failed["gate"]["verdict"] == "failed" and failed["gate"]["with"]["version"] == 1
    assert '<p role="alert">Compared with version 1, run_0' in page.read_text()
    assert "Gate: failed." in card.read_text()

    result = evaluate(project, *flags, "--accept", "<a> new style", clip_model="clip", fid_images=8)[-1]
    assert result["value"]["gate"] == "accepted"
    assert read_json(report)["gate"]["accepted"] == "<a> new style"
    assert "accepted: &lt;a&gt; new style." in page.read_text() and "&lt;a&gt; new style" in card.read_text()
    assert 'role="alert"' not in page.read_text()

    shutil.copy(report, tmp_path / "kept.json")
    again = evaluate(project, *flags, "--kept", str(tmp_path / "kept.json"), clip_model="clip", fid_images=8)[-1]
    assert again["value"]["gate"] == "accepted"


def test_a_report_of_other_settings_is_told_and_not_compared(model, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(model, project)
    evaluate(project, seeds=1, clip_model="clip")
    report = read_json(project / "reports" / "evaluation.json")
    report["measured"]["clip_score"]["value"] = 101.0
    (tmp_path / "before.json").write_text(json.dumps(report))
    lines = evaluate(project, "--before", str(tmp_path / "before.json"), seeds=1, steps=3, clip_model="clip")
    assert lines[-1]["value"]["gate"] == "not compared"
    assert [line["message"] for line in lines if line["event"] == "warning"] == [
        "not compared with the report of the version before: sampler steps 3, not 2"
    ]


def test_a_score_that_is_no_number_is_null_and_no_better_than_one_before(model, tmp_path, monkeypatch):
    project = tmp_path / "project"
    shutil.copytree(model, project)
    report = project / "reports" / "evaluation.json"
    evaluate(project, clip_model="clip")
    shutil.copy(report, tmp_path / "before.json")
    monkeypatch.setattr("t2i_trainer.evaluation.measures.clip_score", lambda *_: np.full(12, np.nan))
    assert evaluate(project, clip_model="clip")[-1]["value"]["measured"]["clip_score"]["value"] is None
    assert read_json(report)["measured"]["clip_score"]["value"] is None
    error = evaluate(project, "--before", str(tmp_path / "before.json"), code=1, clip_model="clip")[-1]
    assert error["code"] == "EVALUATION_WORSE" and "to nan" in error["message"]
    assert read_json(report)["gate"]["compared"]["clip_score"]["now"] is None
