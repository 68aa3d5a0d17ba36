"""Files of a run: written whole or not at all, checked when they are read, and never run."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fixtures
from t2i_trainer.emoji.latents import LatentSet
from t2i_trainer.files import read_json, write_atomically, write_json
from t2i_trainer.onnx.components import load_components
from t2i_trainer.training.checkpoints import find_checkpoints, load_checkpoint, save_checkpoint

DAMAGES = {
    "a flipped bit": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    ),
    "the last byte cut off": lambda data: data[:-1],
    "the first half": lambda data: data[: len(data) // 2],
    "nothing": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over(tmp_path, capsys, damage):
    assert load_checkpoint(tmp_path) is None
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, step, value=torch.tensor(step))
    newest, older = find_checkpoints(tmp_path)
    assert load_checkpoint(tmp_path)["value"].item() == 15
    newest.write_bytes(damage(newest.read_bytes()))
    assert load_checkpoint(tmp_path)["step"] == 10
    assert f"{newest}: damaged" in capsys.readouterr().err
    older.unlink()
    assert load_checkpoint(tmp_path) is None


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, ran: Path):
        self.ran = ran

    def __reduce__(self):
        return (open, (str(self.ran), "w"))


def test_a_checkpoint_that_holds_code_is_refused_not_run(tmp_path):
    save_checkpoint(tmp_path, 1, value=Hostile(tmp_path / "ran"))
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ("text_encoder", "pytorch_model.bin"),
        ("unet", "diffusion_pytorch_model.bin"),
        ("vae", "diffusion_pytorch_model.bin"),
    ],
)
def test_weights_that_hold_code_are_refused_not_run(tmp_path, part, file):
    modules = fixtures.modules(seed=0, channels=4, factor=8, sample_size=8)
    for name, module in zip(("text_encoder", "unet", "vae"), modules, strict=True):
        module.save_pretrained(tmp_path / name)
    assert len(load_components(tmp_path)) == 3
    for weights in (tmp_path / part).glob("*.safetensors"):
        weights.unlink()
    torch.save({"weight": Hostile(tmp_path / "ran")}, tmp_path / part / file)
    with pytest.raises(Exception, match="safetensors"):
        load_components(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_json(tmp_path / "record.json", {"old": 1})

    def fail(path: Path) -> None:
        path.write_text("half of")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(tmp_path / "record.json", fail)
    assert read_json(tmp_path / "record.json") == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_latents_of_other_images_are_refused(tmp_path):
    np.save(tmp_path / "latents.npy", np.zeros((3, 4, 2, 2), np.float16))
    (tmp_path / "samples.jsonl").write_text('{"kind": "plain"}\n' * 2)
    with pytest.raises(SystemExit, match=r"samples\.jsonl has 2 lines, latents\.npy 3 rows"):
        LatentSet(tmp_path)
