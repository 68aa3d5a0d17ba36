"""Latents of a project: those of the autoencoder, computed once for each image."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_project import write_images, write_models

from t2i_trainer.data.autoencoder import FrozenAutoencoder
from t2i_trainer.data.latents import LatentOptions, latents_folder, load_pixels, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.shards import ShardStore
from t2i_trainer.files import sha256_file
from t2i_trainer.stage import StageError

SIZE = (16, 24)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, models: Path) -> Path:
    shutil.copytree(models / "vae", tmp_path / "models" / "vae")
    write_images(DataFolder(tmp_path / "data"))
    return tmp_path


def run(project: Path, size: tuple[int, int] = SIZE, **options) -> dict:
    return prepare_latents(LatentOptions("models/vae", size, **options), project, DataFolder(project / "data"))


def image(project: Path, index: int) -> Path:
    return project / "data" / "images" / f"image-{index}.png"


def stored(project: Path, index: int, flipped: bool = False) -> dict[str, torch.Tensor]:
    autoencoder = FrozenAutoencoder("models/vae", SIZE, project)
    rows = ShardStore(latents_folder(project)).read([autoencoder.key(sha256_file(image(project, index)), flipped)])
    return {name: row[0].float() for name, row in rows.items()}


def by_diffusers(project: Path, index: int, mirrored: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation as a denoiser sees them, by diffusers and Pillow alone."""
    vae = AutoencoderKL.from_pretrained(project / "models" / "vae")
    height, width = SIZE
    picture = Image.open(image(project, index))
    # 40x32 at the shape of 24x16: all of the width, and the rows about the middle.
    rows = picture.width * height / width
    top = (picture.height - rows) / 2
    part = picture.resize((width, height), Image.Resampling.LANCZOS, (0, top, picture.width, top + rows))
    values = np.asarray(part)[:, ::-1] if mirrored else np.asarray(part)
    with torch.no_grad():
        pixels = torch.from_numpy(values.copy()).permute(2, 0, 1)[None] / 127.5 - 1
        latents = vae.encode(pixels).latent_dist
    return (latents.mean[0] - 0.125) * 0.5, latents.std[0] * 0.5


def test_latents_are_those_of_encoding_on_the_fly(project: Path):
    result = run(project)
    assert (result["latents"], result["computed"]) == (6, 6)
    for index in (0, 5):
        mean, std = by_diffusers(project, index)
        got = stored(project, index)
        assert got["mean"].shape == (4, 4, 6)
        torch.testing.assert_close(got["mean"], mean, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(got["std"], std, rtol=1e-3, atol=1e-3)
        assert mean.std() > 0.01, "what is compared is not all the same"


def test_a_mirrored_image_has_a_latent_of_its_own(project: Path):
    assert run(project, flip=True)["computed"] == 12
    mean, _ = by_diffusers(project, 2, mirrored=True)
    torch.testing.assert_close(stored(project, 2, flipped=True)["mean"], mean, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(stored(project, 2)["mean"], mean, atol=1e-2)


def test_only_what_changed_is_computed_again(project: Path):
    run(project)
    assert run(project)["computed"] == 0
    Image.new("RGB", (40, 32), "red").save(image(project, 1))
    image(project, 5).unlink()
    result = run(project)
    assert (result["computed"], result["cached"], result["dropped"]) == (1, 4, 2)
    assert run(project, flip=True)["computed"] == 5
    result = run(project, size=(16, 16))
    assert (result["computed"], result["dropped"]) == (5, 10)


@pytest.mark.parametrize("change", ["weights", "config"])
def test_another_autoencoder_computes_everything_again(project: Path, change: str):
    run(project)
    folder = project / "models" / "vae"
    if change == "weights":
        weights = load_file(folder / "diffusion_pytorch_model.safetensors")
        weights["encoder.conv_in.bias"] += 1
        save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    else:
        config = folder / "config.json"
        config.write_text(config.read_text().replace('"scaling_factor": 0.5', '"scaling_factor": 0.25'))
    assert run(project)["computed"] == 6


def test_images_that_cannot_be_read_are_named_and_the_rest_is_kept(project: Path):
    image(project, 2).write_bytes(image(project, 2).read_bytes()[:-300])
    image(project, 4).write_bytes(b"no image")
    with pytest.raises(StageError) as caught:
        run(project, batch_size=1)
    assert [issue.option for issue in caught.value.issues] == ["images/image-2.png", "images/image-4.png"]
    assert stored(project, 5)["mean"].isfinite().all()
    image(project, 2).unlink()
    image(project, 4).unlink()
    assert run(project)["cached"] == 4


@pytest.mark.parametrize("size", [(16, 18), (2, 16), (0, 16), (15, 16)])
def test_a_size_without_latents_is_refused(project: Path, size: tuple[int, int]):
    with pytest.raises(StageError) as caught:
        run(project, size=size)
    assert caught.value.issues[0].option == "vae.image_size"
    assert "multiples of 4" in caught.value.issues[0].expected
    assert not latents_folder(project).exists()


def test_a_damaged_shard_is_computed_again(project: Path):
    run(project)
    [path] = latents_folder(project).glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    assert run(project)["computed"] == 6


def test_a_batch_that_does_not_fit_is_tried_in_halves(project: Path, monkeypatch):
    encode = FrozenAutoencoder.encode

    def small_memory(autoencoder: FrozenAutoencoder, pixels: torch.Tensor):
        if len(pixels) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return encode(autoencoder, pixels)

    monkeypatch.setattr(FrozenAutoencoder, "encode", small_memory)
    assert run(project, batch_size=4)["computed"] == 6
    torch.testing.assert_close(stored(project, 3)["mean"], by_diffusers(project, 3)[0], rtol=1e-3, atol=1e-3)


def test_latents_beyond_float16_are_refused(project: Path):
    path = project / "models" / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["quant_conv.bias"] += 1e6
    save_file(weights, path)
    with pytest.raises(StageError) as caught:
        run(project)
    assert "float16" in caught.value.issues[0].expected


def test_a_model_of_another_kind_is_refused(project: Path, models: Path):
    shutil.rmtree(project / "models" / "vae")
    shutil.copytree(models / "clip", project / "models" / "vae")
    with pytest.raises(StageError) as caught:
        run(project)
    assert caught.value.code == "MODEL_INVALID" and "AutoencoderKL" in caught.value.issues[0].expected


@pytest.mark.parametrize("shape", [(64, 16), (16, 64)])
def test_the_middle_of_an_image_is_taken(tmp_path: Path, shape: tuple[int, int]):
    values = np.zeros((shape[1], shape[0], 3), np.uint8)
    middle = (shape[1] // 2, shape[0] // 2)
    values[middle[0] - 8 : middle[0] + 8, middle[1] - 8 : middle[1] + 8] = 255
    Image.fromarray(values).save(tmp_path / "a.png")
    assert load_pixels(tmp_path / "a.png", (8, 8)).min() > 230
