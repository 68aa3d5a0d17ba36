"""Files of a run: written whole or not at all, checked when they are read, and never run."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fixtures
from t2i_trainer.emoji.latents import LatentSet
from t2i_trainer.files import read_json, read_json_lines, write_atomically, write_json
from t2i_trainer.onnx.components import load_components
from t2i_trainer.tracking.spool import Spool
from t2i_trainer.training.checkpoints import find_checkpoints, load_checkpoint, save_checkpoint
from t2i_trainer.training.run_folder import RunFolder

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


@pytest.mark.parametrize(
    "damage",
    [b'{"step": 2, "lo', b"\0" * 64, b"garbage\n", b"\xff\xfe\n", b"7\n", b"\n"],
    ids=["cut off by a kill", "zeros of a power failure", "other text", "no UTF-8", "no object", "an empty line"],
)
def test_what_is_damaged_of_a_log_costs_no_other_line(tmp_path, damage):
    log = tmp_path / "metrics.jsonl"
    assert read_json_lines(log) == []
    log.write_bytes(b'{"step": 1, "loss": 0.5}\n' + damage)
    assert read_json_lines(log) == [{"step": 1, "loss": 0.5}]
    folder = RunFolder(tmp_path)
    folder.forget_after(1)
    folder.add_metrics({"step": 2, "loss": 0.25})
    assert read_json_lines(log) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_a_damaged_first_line_of_what_mlflow_is_to_be_told_is_set_aside(tmp_path):
    first = Spool(tmp_path)
    run = first.open(None, "hash")
    first.add(1, {"loss": 0.5})
    whole = first.file.read_bytes()
    first.file.write_bytes(b"\0" * 16 + whole)
    assert Spool(tmp_path).open(run, "hash") == run
    kept = (tmp_path / "tracking.damaged.jsonl").read_text()
    assert '"loss": 0.5' in kept
