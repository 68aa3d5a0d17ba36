"""Captions by a tiny Florence-2 of random weights."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_project import write_florence, write_images
from transformers import Florence2ForConditionalGeneration

from t2i_trainer.data.captioner import CaptionOptions, Florence2, tidy, write_captions
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.stage import StageError


@pytest.fixture(scope="module")
def florence(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("florence")
    write_florence(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    """Six images without captions."""
    data = write_images(DataFolder(tmp_path / "data"))
    shutil.rmtree(data.captions)
    return data


def run(florence: Path, data: DataFolder, **options) -> dict[str, int]:
    return write_captions(CaptionOptions(str(florence), **{"max_new_tokens": 6, **options}), data.root.parent, data)


def test_every_image_gets_the_caption_of_the_model(florence: Path, data: DataFolder):
    assert run(florence, data, batch_size=4) == {"written": 6, "kept": 0}
    files = data.caption_files()
    assert [path.stem for path in files] == [f"image-{i}" for i in range(6)]
    alone = Florence2(CaptionOptions(str(florence), max_new_tokens=6), data.root)(data.image_files()[5:])
    assert [data.caption("image-5")] == alone and alone != [""]
    assert not (data.root / "failures.jsonl").exists()


def test_captions_that_are_there_are_kept_unless_told(florence: Path, data: DataFolder):
    data.write_caption("image-1", "by hand")
    data.write_caption("image-2", "")
    assert run(florence, data) == {"written": 5, "kept": 1}
    assert data.caption("image-1") == "by hand" and data.caption("image-2")
    assert run(florence, data)["written"] == 0
    assert run(florence, data, overwrite=True)["written"] == 6
    assert data.caption("image-1") != "by hand"


def test_captions_that_are_not_utf_8_are_named_and_kept(florence: Path, data: DataFolder):
    for stem in ("image-2", "image-4"):
        data.write_caption(stem, "x")
        data.caption_file(stem).write_bytes(b"caf\xe9")
    with pytest.raises(StageError) as caught:
        run(florence, data)
    assert [issue.option for issue in caught.value.issues] == ["captions/image-2.txt", "captions/image-4.txt"]
    assert data.caption_file("image-2").read_bytes() == b"caf\xe9"


def test_nothing_is_loaded_where_nothing_is_to_do(data: DataFolder):
    for path in data.image_files():
        data.write_caption(path.stem, "by hand")
    assert run(Path("/nowhere"), data) == {"written": 0, "kept": 6}


def test_a_run_that_was_stopped_goes_on_where_it_was(florence: Path, data: DataFolder, monkeypatch):
    generate = Florence2._generate

    def stop_at_the_second(captioner, images):
        if data.captions.exists():
            raise KeyboardInterrupt
        return generate(captioner, images)

    monkeypatch.setattr(Florence2, "_generate", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(florence, data, batch_size=4)
    monkeypatch.undo()
    assert run(florence, data, batch_size=4) == {"written": 2, "kept": 4}


def test_images_that_cannot_be_read_are_written_down_and_the_rest_goes_on(florence: Path, data: DataFolder):
    (data.images / "image-1.png").write_bytes(b"no image")
    (data.images / "image-3.png").write_bytes((data.images / "image-3.png").read_bytes()[:-300])
    with pytest.raises(StageError, match="2 of 6 images have no caption"):
        run(florence, data, batch_size=2)
    lines = [json.loads(line) for line in (data.root / "failures.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == ["images/image-1.png", "images/image-3.png"]
    assert "damaged" in lines[1]["reason"]
    assert len(data.caption_files()) == 4
    (data.images / "image-1.png").unlink()
    (data.images / "image-3.png").unlink()
    run(florence, data)
    assert not (data.root / "failures.jsonl").exists()


def test_an_empty_caption_is_a_failure(florence: Path, data: DataFolder, tmp_path: Path):
    silent = tmp_path / "silent"
    shutil.copytree(florence, silent)
    model = Florence2ForConditionalGeneration.from_pretrained(silent)
    with torch.no_grad():
        model.model.language_model.shared.weight.zero_()
    model.save_pretrained(silent)
    with pytest.raises(StageError, match="6 of 6"):
        run(silent, data, max_new_tokens=1)
    assert data.caption_files() == []
    assert "said nothing" in (data.root / "failures.jsonl").read_text()


def test_a_batch_that_does_not_fit_is_halved(florence: Path, data: DataFolder, monkeypatch, capsys):
    generate = Florence2._generate
    sizes = []

    def small_memory(captioner, images):
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return generate(captioner, images)

    monkeypatch.setattr(Florence2, "_generate", small_memory)
    assert run(florence, data, batch_size=5)["written"] == 6
    assert sizes == [5, 2, 2, 2]
    assert "going on with 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "caption"),
    [
        ("The image shows a red rose on a table.", "A red rose on a table."),
        ("In this image we can see a dog.", "A dog."),
        ("In this picture, there are two birds", "Two birds"),
        ("the image depicts Paris at night", "Paris at night"),
        ("The image is of a small house.", "A small house."),
        ("This image contains\n a  lily ", "A lily"),
        ("The image shows that a cat sleeps.", "A cat sleeps."),
        ("a rose, in this image we can see", "A rose, in this image we can see"),
        ("The image shows", ""),
        ("The imagery shows a rose", "The imagery shows a rose"),
        ("The image showstopper", "The image showstopper"),
    ],
)
def test_the_opening_words_of_the_model_are_left_out(said: str, caption: str):
    assert tidy(said) == caption


def test_options_that_write_no_captions_are_all_named(florence: Path, data: DataFolder):
    with pytest.raises(StageError) as caught:
        run(florence, data, task="<OD>", batch_size=0)
    assert [issue.option for issue in caught.value.issues] == ["data.caption_task", "data.caption_batch_size"]


def test_a_model_with_missing_weights_is_refused(florence: Path, data: DataFolder, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(florence, broken)
    weights = load_file(broken / "model.safetensors")
    weights.pop(next(name for name in weights if "vision_tower" in name))
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(StageError) as caught:
        run(broken, data)
    assert caught.value.code == "MODEL_INVALID"


def test_code_in_the_folder_of_a_model_is_not_run(florence: Path, data: DataFolder, tmp_path: Path):
    hostile = tmp_path / "hostile"
    shutil.copytree(florence, hostile)
    marker = tmp_path / "ran"
    (hostile / "code.py").write_text(f"open({str(marker)!r}, 'w')\nclass P: pass\n")
    for name in ("config.json", "processor_config.json"):
        value = json.loads((hostile / name).read_text())
        value["auto_map"] = {"AutoProcessor": "code.P", "AutoConfig": "code.P"}
        (hostile / name).write_text(json.dumps(value))
    run(hostile, data)
    assert not marker.exists()
