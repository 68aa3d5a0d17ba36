"""The tiny run trains from data to denoiser, its losses fall, and a stopped run ends with the weights of one never
stopped."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTextModel

from t2i_trainer.emoji.latents import LatentSet
from t2i_trainer.emoji.train_autoencoder import (
    AutoencoderOptions,
    measure,
    to_unit,
    train_autoencoder,
    write_latents,
)
from t2i_trainer.emoji.train_denoiser import TEXT_RATE, DenoiserOptions, train_denoiser
from t2i_trainer.evaluation.sampling import Run, generate
from t2i_trainer.evaluation.sharpness import gradient_energy
from t2i_trainer.files import read_json
from t2i_trainer.networks.autoencoder import TinyAutoencoder
from t2i_trainer.networks.denoiser import (
    PlacedUNet,
    load_unet,
    new_unet,
    unet_class,
)
from t2i_trainer.networks.text_encoder import CONTEXT, EmbeddingNoise, TextEncoder, count_states, load_text_encoder
from t2i_trainer.training.checkpoints import find_checkpoints, load_checkpoint

TINY = {"batch": 16, "channels": (32, 64), "layers": 1, "lr": 2e-3, "warmup": 5, "ema_decay": 0.9}


def train(tiny_run: Path, out: Path, **options) -> None:
    """Trains the tiny denoiser on the tiny data."""
    folders = {name: tiny_run / name for name in ("data", "val", "text")}
    train_denoiser(DenoiserOptions(**folders, out=out, **{**TINY, **options}))


@pytest.fixture(scope="module")
def trained(tiny_run):
    run = tiny_run / "run"
    train(tiny_run, run, steps=120, checkpoint_every=30)
    (run / "vae").symlink_to(tiny_run / "vae")
    return run


def test_validation_loss_falls_and_the_record_is_kept(trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [30, 60, 90, 120]
    # From pure noise so few images are learnt by heart; the others must get better on images that were not seen.
    for name, share in (("val_loss", 0.92), ("val_0.9", 0.9), ("val_0.7", 0.75), ("val_0.4", 0.75)):
        assert lines[-1][name] < share * lines[0][name]
    assert lines[-1]["val_1"] > lines[-1]["val_0.4"], "from pure noise less can be known"
    options = json.loads((trained / "options.json").read_text())
    assert options["steps"] == 120 and options["prediction"] == "v_prediction" and options["parameters"] > 100_000
    assert len(options["exam"]) == 64


def test_the_run_folder_makes_images_that_depend_on_prompt_and_seed(trained):
    run = Run.load(trained)
    red, again, blue, other = generate(
        run,
        ["an apple, red background", "an apple, red background", "a star on blue", "an apple, red background"],
        [0, 0, 0, 1],
        steps=4,
    )
    assert red.shape == (64, 64, 3)
    assert (red == again).all()
    assert (red != blue).any() and (red != other).any()
    alone = generate(run, ["an apple, red background"], [1], steps=4)[0]
    assert np.abs(alone.astype(int) - other).max() <= 1


def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(tiny_run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = {"single_steps": 6, "steps": 14}
    train(tiny_run, whole, checkpoint_every=7, **options)
    train(tiny_run, parts, checkpoint_every=100, stop_after=5, **options)
    assert load_checkpoint(parts)["step"] == 5
    # Nor does it matter which process prepares the batches.
    train(tiny_run, parts, checkpoint_every=7, workers=2, **options)
    first, second = load_checkpoint(whole), load_checkpoint(parts)
    torch.testing.assert_close(second, first, rtol=0, atol=0)  # weights, their average and the optimizer's state


def test_a_run_saves_the_averaged_weights_and_goes_on_with_its_own(trained):
    state = load_checkpoint(trained)
    saved = {"unet": load_unet(trained / "unet"), "text": load_text_encoder(trained / "text_encoder")}
    parameters = {f"{part}.{name}": p for part, module in saved.items() for name, p in module.named_parameters()}
    assert state["ema"].keys() == state["model"].keys() <= parameters.keys()
    for name, average in state["ema"].items():
        assert torch.equal(parameters[name], average), name
    assert any(not torch.equal(state["model"][name], average) for name, average in state["ema"].items())


def first_step(tiny_run, out, **options):
    """The line of metrics and the checkpoint after one step."""
    train(tiny_run, out, **{"steps": 1, **options})
    return json.loads((out / "metrics.jsonl").read_text()), load_checkpoint(out)


@pytest.fixture(scope="module")
def plain_loss(tiny_run, tmp_path_factory):
    return first_step(tiny_run, tmp_path_factory.mktemp("plain"))[0]["train_loss"]


@pytest.mark.parametrize(
    "option",
    [
        {"min_snr": 5.0},
        {"embedding_noise": 5.0},
        {"uniform_timesteps": 1.0},
        {"caption_dropout": 1.0},
        {"prediction": "epsilon"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_an_option_changes_what_is_learnt(tiny_run, tmp_path, plain_loss, option):
    assert first_step(tiny_run, tmp_path, **option)[0]["train_loss"] != plain_loss


def test_the_pace_is_the_one_asked_for(tiny_run, tmp_path):
    _, state = first_step(tiny_run, tmp_path, lr=1e-3, warmup=4, clip=1e-3, ema_decay=0.0)
    rates = [group["lr"] for group in state["optimizer"]["param_groups"]]
    assert rates == pytest.approx([1e-3 / 4] * 2 + [TEXT_RATE * 1e-3 / 4] * 2)
    gradients = [moments["exp_avg"] / 0.1 for moments in state["optimizer"]["state"].values()]
    assert torch.cat([gradient.flatten() for gradient in gradients]).norm().item() == pytest.approx(1e-3, rel=1e-3)
    torch.testing.assert_close(state["ema"], state["model"], rtol=0, atol=0)


def test_the_text_encoder_learns_with_the_denoiser_but_for_its_token_table(tiny_run, trained):
    before = load_text_encoder(tiny_run / "text" / "text_encoder").state_dict()
    after = load_text_encoder(trained / "text_encoder").state_dict()
    table = next(name for name in before if name.endswith("token_embedding.weight"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert table not in changed
    assert "sketch.embed.weight" in changed and any("self_attn" in name for name in changed)


def test_the_autoencoder_resumes_to_the_same_weights(tiny_run, tmp_path):
    options = {"batch": 8, "latent_channels": 4, "channels": (16, 32), "steps": 8, "checkpoint_every": 4}
    given = AutoencoderOptions(data=tiny_run / "data", val=tiny_run / "val", out=tmp_path, **options)
    whole = train_autoencoder(given).state_dict()
    state = load_checkpoint(tmp_path)
    # As if it had ended after its fourth step.
    newest, _ = find_checkpoints(tmp_path)
    newest.unlink()
    assert load_checkpoint(tmp_path)["step"] == 4
    torch.testing.assert_close(train_autoencoder(given).state_dict(), whole, rtol=0, atol=0)
    torch.testing.assert_close(load_checkpoint(tmp_path), state, rtol=0, atol=0)


def test_latents_are_those_of_the_images_in_their_order(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (600, 8, 8, 3), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    vae = TinyAutoencoder(4, (8, 16), scaling_factor=0.5)
    vae.save_pretrained(tmp_path / "vae")
    write_latents(tmp_path, tmp_path / "vae", "cpu")
    with torch.no_grad():
        expected = 0.5 * vae.encode(to_unit(pixels, "cpu"))
    np.testing.assert_allclose(np.load(tmp_path / "latents.npy"), expected.numpy(), atol=2e-3)


def test_the_autoencoder_starts_from_the_patches_and_gets_better(tiny_run):
    pixels = np.load(tiny_run / "val/pixels.npy")
    start = TinyAutoencoder(4, (16, 32)).eval()
    blind = measure(start, pixels, "cpu")["psnr_db"]
    start.start_from_patches(to_unit(np.load(tiny_run / "data/pixels.npy"), "cpu"))
    linear = measure(start, pixels, "cpu")
    assert linear["psnr_db"] > blind + 8
    deviations = start.encode(to_unit(pixels, "cpu")).std((0, 2, 3))
    assert deviations[0].item() == pytest.approx(1, abs=0.3) and deviations.min() > 0.05
    trained = read_json(tiny_run / "vae/training.json")
    assert trained["psnr_db"] > linear["psnr_db"] and 0 < trained["gradient_energy"] < 1.3


def test_a_blur_lowers_the_gradient_energy():
    images = torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
    assert gradient_energy(blurred) < 0.3 * gradient_energy(images)
    assert gradient_energy(torch.ones(1, 3, 4, 4)) == 0


def test_the_denoiser_knows_places_and_takes_other_sizes():
    unet = new_unet((32, 64), 1, 32, 4, 8).eval()
    flat, t, states = torch.zeros(1, 4, 8, 8), torch.tensor([900]), torch.zeros(1, 5, 32)
    with torch.no_grad():
        assert unet(torch.randn(1, 4, 16, 12), t, states).sample.shape == (1, 4, 16, 12)
        first = unet.conv_in(flat)
        assert (first[0, :, 2, 2] - first[0, :, 5, 5]).abs().max() > 1e-3, "two places inside, the same input"


def test_a_folder_names_the_class_of_its_denoiser(tmp_path):
    unet = new_unet((32, 64), 1, 32, 4, 8)
    unet.save_pretrained(tmp_path)
    assert unet_class(tmp_path) is PlacedUNet
    again = PlacedUNet.from_pretrained(tmp_path)
    assert torch.equal(again.conv_in.places, unet.conv_in.places)


def test_states_are_those_of_the_words_and_then_the_sketch(tiny_run):
    encoder = load_text_encoder(tiny_run / "text" / "text_encoder").eval()
    assert isinstance(encoder, TextEncoder)
    ids = torch.randint(0, 49000, (2, CONTEXT))
    with torch.no_grad():
        states = encoder(ids)
        assert states.shape == (2, count_states(encoder), 32)
        assert torch.equal(states[:, :CONTEXT], encoder.clip(input_ids=ids).last_hidden_state)
    assert count_states(CLIPTextModel(encoder.config)) == CONTEXT


def test_noise_on_token_vectors_lasts_as_long_as_the_block(tiny_run):
    encoder = load_text_encoder(tiny_run / "text" / "text_encoder").eval()
    ids = torch.randint(0, 49000, (1, CONTEXT))
    with torch.no_grad():
        quiet = encoder.words(ids)
        with EmbeddingNoise(encoder, 0.5) as embedding:
            embedding.noise = embedding.draw(ids, torch.Generator().manual_seed(0))
            first = encoder.words(ids)
            embedding.noise = embedding.draw(ids, torch.Generator().manual_seed(1))
            second = encoder.words(ids)
        assert not torch.equal(first, quiet) and not torch.equal(first, second)
        assert torch.equal(encoder.words(ids), quiet)


def test_latents_have_unit_spread(tiny_run):
    spread = LatentSet(tiny_run / "data").latents.float().std().item()
    assert 0.8 < spread < 1.25
