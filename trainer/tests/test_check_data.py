"""What is wrong with the data of a project is told at once; and the stages, from import to check, by their files."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_project import write_florence, write_images, write_models

from t2i_trainer.data.check import check_data
from t2i_trainer.data.embeddings import EmbedOptions, embed
from t2i_trainer.data.latents import LatentOptions, latents_folder, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.samples import SampleOptions

TEXT = EmbedOptions("models/clip", 16)
LATENTS = LatentOptions("models/vae", (16, 24), flip=True)
STAGES = Path(__file__).parents[1] / "stages"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    project = tmp_path_factory.mktemp("project")
    write_models(project / "models")
    data = write_images(DataFolder(project / "data"))
    embed(TEXT, project, data)
    prepare_latents(LATENTS, project, data)
    return project


@pytest.fixture
def project(tmp_path: Path, whole: Path) -> Path:
    shutil.copytree(whole, tmp_path / "project")
    return tmp_path / "project"


def run(project: Path, text: EmbedOptions = TEXT, latents: LatentOptions = LATENTS, **options) -> dict:
    sizes = {"train_size": 5, "val_size": 1, **options}
    return check_data(SampleOptions(text, latents, **sizes), project, DataFolder(project / "data"))


def told(issues: list[dict]) -> dict[str, str]:
    return {Path(issue["option"]).name: issue["received"] for issue in issues}


def test_data_without_mistakes_are_told_as_such(whole: Path):
    assert run(whole) == {
        "ok": True, "images": 6, "captions": 6, "errors": [], "warnings": [],
        "embeddings": {"rows": 7, "missing": 0, "stale": 0, "damaged": 0},
        "latents": {"rows": 12, "missing": 0, "stale": 0, "damaged": 0},
    }  # fmt: skip


def test_every_mistake_is_told_at_once(project: Path):
    data = DataFolder(project / "data")
    data.caption_file("image-0").unlink()
    data.caption_file("image-1").write_bytes(b"caf\xe9")
    (data.images / "image-2.png").write_bytes(b"no image")
    Image.open(data.images / "image-3.png").save(data.images / "Image-3.png")
    data.write_caption("Image-3", "a rose")
    Image.new("RGB", (20, 30)).save(data.images / "small.png")
    data.write_caption("small", "rose " * 15)
    data.write_caption("alone", "no image")
    [shard] = latents_folder(project).glob("*.safetensors")
    shard.unlink()
    found = run(project, train_size=9)
    assert not found["ok"] and (found["images"], found["captions"]) == (8, 6)
    assert told(found["errors"]) == {
        "image-0.png": "none",
        "image-1.txt": "unexpected end of data at byte 3",
        "image-2.png": "is not an image of a known format (JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM, JPEG2000, AVIF)",
        "image-3.png": "that of Image-3.png",
        "data.train_size": "9 + 1",
        "embeddings": "2 missing or damaged: run the stage embed",
        "latents": "12 missing or damaged: run the stage latents",
    }
    assert told(found["warnings"]) == {
        "alone.txt": "none",
        "image-3.png": "the pixels of Image-3.png",
        "small.png": "30x20, to be enlarged",
        "small.txt": "more: the rest is cut off",
        "embeddings": "2 stale: the stage embed drops them",
        "latents": "2 stale: the stage latents drops them",
    }
    assert found["embeddings"] == {"rows": 5, "missing": 2, "stale": 2, "damaged": 0}
    assert found["latents"]["damaged"] == 1


def test_a_wrong_model_does_not_keep_the_rest_from_being_checked(project: Path):
    DataFolder(project / "data").caption_file("image-0").unlink()
    found = run(project, EmbedOptions("models/vae"), LatentOptions("models/vae", (16, 18)), train_size=4)
    assert [issue["option"] for issue in found["errors"]] == ["images/image-0.png", "clip.model", "vae.image_size"]
    assert found["embeddings"] is None and found["latents"] is None


def test_latents_are_not_asked_for_where_images_are_encoded_on_the_fly(project: Path):
    shutil.rmtree(latents_folder(project))
    assert run(project, precompute_latents=False)["ok"]
    assert not run(project)["ok"]


def test_an_empty_project_is_told_as_such(project: Path):
    shutil.rmtree(project / "data")
    found = run(project)
    assert "data.raw" in told(found["errors"])


def test_checking_changes_nothing(project: Path):
    DataFolder(project / "data").write_caption("image-0", "another")
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    run(project)
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


def test_the_stages_make_a_project_ready_for_training(tmp_path: Path, capsys, monkeypatch):
    def run_stage(stage: str, *flags: str) -> tuple[int, dict]:
        """Exit code and last event of a stage, run as the script that it is."""
        arguments = ["--project", str(project), "--params", str(project / "params.json"), *flags]
        monkeypatch.setattr(sys, "argv", [stage, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(STAGES / f"{stage}.py"), run_name="__main__")
        return ended.value.code, json.loads(capsys.readouterr().out.splitlines()[-1])

    source = write_images(DataFolder(tmp_path / "in"), size=(80, 70))
    source.caption_file("image-5").unlink()
    project = tmp_path / "project"
    write_models(project / "models")
    write_florence(project / "models" / "florence")
    params = {
        "data": {
            "raw": "data/raw/flowers", "train_size": 5, "val_size": 1, "caption_model": "models/florence",
            "caption_task": "<DETAILED_CAPTION>", "caption_batch_size": 10, "num_workers": 0,
            "precompute_latents": True, "flip": False,
        },
        "clip": {"model": "models/clip", "max_length": 16, "layout": "shards"},
        "vae": {"model": "models/vae", "image_size": [16, 24]},
    }  # fmt: skip
    (project / "params.json").write_text(json.dumps(params))
    code, event = run_stage("check_data")
    assert (code, event["value"]["ok"]) == (0, False)
    code, event = run_stage("embed")
    assert (code, event["code"]) == (1, "DATA_INVALID")
    assert run_stage("import_data", "--source", str(tmp_path / "in"))[1]["value"]["imported"] == 6
    assert run_stage("caption")[1]["value"] == {"written": 1, "kept": 5}
    assert run_stage("embed")[1]["value"]["computed"] == 7
    assert run_stage("latents")[1]["value"]["computed"] == 6
    code, event = run_stage("check_data")
    assert code == 0 and event["value"]["ok"], event["value"]["errors"]
