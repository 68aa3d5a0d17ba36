"""The tiny run trains from data to denoiser, its losses fall, and a stopped run ends with the weights of one never
stopped."""

import json

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from transformers import CLIPTextModel

from t2i_trainer.autoencoder import TinyAutoencoder
from t2i_trainer.checkpoints import find_checkpoints, load_checkpoint, save_checkpoint
from t2i_trainer.denoiser import (
    PlacedUNet,
    clean_latents,
    draw_timesteps,
    min_snr_weights,
    new_unet,
    target_of,
    unet_class,
    validation_noise,
)
from t2i_trainer.files import read_json
from t2i_trainer.latents import SINGLE, LatentSet
from t2i_trainer.sampling import Run, generate
from t2i_trainer.sharpness import gradient_energy
from t2i_trainer.text_encoder import CONTEXT, EmbeddingNoise, TextEncoder, count_states, load_text_encoder
from t2i_trainer.training import Ema, EpochSampler, descend, learning_rate, parameter_groups, swapped_weights
from train import train
from train_vae import latent_noise, measure, to_unit, train_vae

TINY = {"batch": 16, "channels": (32, 64), "layers": 1, "lr": 2e-3, "warmup": 5, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def trained(tiny_run):
    run = tiny_run / "run"
    train(tiny_run / "data", tiny_run / "val", tiny_run / "text", run, steps=120, checkpoint_every=30, **TINY)
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
    folders = tiny_run / "data", tiny_run / "val", tiny_run / "text"
    options = {**TINY, "single_steps": 6, "steps": 14}
    train(*folders, whole, checkpoint_every=7, **options)
    train(*folders, parts, checkpoint_every=100, stop_after=5, **options)
    assert load_checkpoint(parts)["step"] == 5
    # Nor does it matter which process prepares the batches.
    train(*folders, parts, checkpoint_every=7, workers=2, **options)
    first, second = load_checkpoint(whole), load_checkpoint(parts)
    for part in ("model", "ema"):
        assert first[part].keys() == second[part].keys()
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part])


def test_the_text_encoder_learns_with_the_denoiser_but_for_its_token_table(tiny_run, trained):
    before = load_text_encoder(tiny_run / "text" / "text_encoder").state_dict()
    after = load_text_encoder(trained / "text_encoder").state_dict()
    table = next(name for name in before if name.endswith("token_embedding.weight"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert table not in changed
    assert "sketch.embed.weight" in changed and any("self_attn" in name for name in changed)


def test_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over(tmp_path, capsys):
    assert load_checkpoint(tmp_path) is None
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, step, value=torch.tensor(step))
    newest, older = find_checkpoints(tmp_path)
    assert load_checkpoint(tmp_path)["value"].item() == 15
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    assert load_checkpoint(tmp_path)["step"] == 10
    assert f"{newest}: damaged" in capsys.readouterr().err
    older.unlink()
    assert load_checkpoint(tmp_path) is None


def test_a_checkpoint_that_holds_code_is_refused_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    save_checkpoint(tmp_path, 1, value=Hostile())
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_the_autoencoder_resumes_to_the_same_weights(tiny_run, tmp_path):
    options = {"batch": 8, "latent_channels": 4, "channels": (16, 32), "steps": 8}
    whole = train_vae(tiny_run / "data", tiny_run / "val", tmp_path / "whole", checkpoint_every=100, **options)
    train_vae(tiny_run / "data", tiny_run / "val", tmp_path / "parts", checkpoint_every=4, **options)
    state = load_checkpoint(tmp_path / "parts")
    assert all(torch.equal(tensor, state["ema"][name]) for name, tensor in whole.state_dict().items())


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


def test_the_noise_on_latents_differs_in_size_and_is_at_most_a_fifth():
    sizes = latent_noise((64, 4, 16, 16), torch.Generator().manual_seed(1)).flatten(1).std(1)
    assert sizes.max() < 0.22 and sizes.min() < 0.03 and sizes.mean().item() == pytest.approx(0.1, abs=0.02)


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


def test_the_first_steps_see_single_things_alone(tiny_run):
    data = LatentSet(tiny_run / "data")
    kinds = {data.samples[i]["kind"] for i in data.single}
    assert kinds <= SINGLE and "plain" in kinds
    assert {sample["kind"] for sample in data.samples} > kinds


def test_norms_and_biases_do_not_decay_and_a_group_may_learn_more_slowly():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    groups = parameter_groups(model, 0.01, 0.1)
    assert [len(group["params"]) for group in groups] == [1, 3]
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    other = torch.nn.Linear(3, 1)
    optimizer = torch.optim.AdamW([*groups, *parameter_groups(other, 0.01)], lr=1.0)
    descend(optimizer, other(model(torch.ones(1, 3))).sum(), 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.05, 0.5, 0.5]


def test_swapped_weights_come_back():
    model = torch.nn.Linear(2, 2)
    own = model.weight.detach().clone()
    ema = Ema(model, 0.9)
    ema.weights["weight"].zero_()
    with swapped_weights(model, ema.weights):
        assert (model.weight == 0).all()
    assert torch.equal(model.weight, own)


def test_latents_have_unit_spread(tiny_run):
    spread = LatentSet(tiny_run / "data").latents.float().std().item()
    assert 0.8 < spread < 1.25


def test_learning_rate_warms_up_stays_and_falls_to_zero():
    rates = [learning_rate(step, 1.0, 10, 100, 0.2) for step in range(101)]
    assert rates[0] == 0.1 and rates[9] == 1 and rates[50] == 1 and rates[80] == 1
    assert rates[90] == 0.5 and rates[100] == 0


def test_every_epoch_is_a_permutation_and_depends_on_the_seed():
    sampler = EpochSampler(12, 4, 1)
    first = np.concatenate([sampler.indices(step) for step in range(3)])
    second = np.concatenate([sampler.indices(step) for step in range(3, 6)])
    assert sorted(first) == sorted(second) == list(range(12)) and list(first) != list(second)
    assert list(EpochSampler(12, 4, 1).indices(4)) == list(second[4:8])
    with pytest.raises(ValueError, match="--batch: expected at most the 12 samples"):
        EpochSampler(12, 13, 0)


def test_ema_warms_up():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 1.0)
    ema = Ema(model, 0.999)
    torch.nn.init.constant_(model.weight, 2.0)
    ema.update(model, 0)
    assert ema.weights["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_targets_and_weights(prediction):
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type=prediction)
    x, noise, t = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([10, 500, 990])
    said = target_of(scheduler, x, noise, t)
    # The scheduler, told the target, must find the clean latents again.
    ddim = DDIMScheduler.from_config(scheduler.config, clip_sample=False, thresholding=False)
    for i in range(3):
        ddim.set_timesteps(1000)
        back = ddim.step(said[i : i + 1], t[i], scheduler.add_noise(x, noise, t)[i : i + 1]).pred_original_sample
        assert torch.allclose(back, x[i : i + 1], atol=2e-2)
    assert torch.allclose(clean_latents(scheduler, scheduler.add_noise(x, noise, t), said, t), x, atol=2e-2)
    snr = (scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod))[t]
    weights = min_snr_weights(scheduler, t, 5.0)
    expected = {
        "epsilon": snr.clamp_max(5) / snr,
        "v_prediction": snr.clamp_max(5) / (snr + 1),
        "sample": snr.clamp_max(5),
    }[prediction]
    assert torch.allclose(weights, expected) and weights.min() > 0


def test_timesteps_are_stratified_and_mostly_noisy():
    even = draw_timesteps(20, 1000, 1.0, torch.Generator().manual_seed(0))
    assert sorted(int(value) // 50 for value in even) == list(range(20)) and list(even) != sorted(even)
    noisy = draw_timesteps(1000, 1000, 0.0, torch.Generator().manual_seed(0))
    # Half of a logit-normal law of mean 1 lies above sigmoid(1).
    assert (noisy >= 731).float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert noisy.min() >= 0 and noisy.max() <= 999
    mixed = draw_timesteps(1000, 1000, 0.2, torch.Generator().manual_seed(0))
    assert (mixed >= 731).float().mean().item() == pytest.approx(0.8 * 0.5 + 0.2 * 0.269, abs=0.01)


def test_validation_noise_depends_on_the_items_alone():
    captions = [f"caption {i}" for i in range(40)]
    noise = validation_noise(captions, (4, 8, 8))
    assert torch.equal(noise, validation_noise(captions, (4, 8, 8)))
    assert torch.equal(noise[:20], validation_noise(captions[:20], (4, 8, 8)))
    assert len({row.sum().item() for row in noise}) == 40
