"""Trains the denoiser on the latents that train_vae.py wrote, with the text encoder of train_text.py; the same command
resumes.

    python trainer/train.py --data runs/emoji-128/data --val runs/emoji-128/val --out runs/emoji-128 --steps 80000

Writes `unet/` and `text_encoder/` (EMA weights), `scheduler/`, two checkpoints, `options.json` and `metrics.jsonl`,
and at its end `trained.json`. The text encoder goes on learning at a tenth of the rate. On a CPU a resumed run has the
same weights as one never stopped.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from t2i_trainer.emoji.batches import Batches
from t2i_trainer.emoji.exam import exam_hash
from t2i_trainer.emoji.latents import LatentSet
from t2i_trainer.emoji.near_words import CaptionWords
from t2i_trainer.files import read_json, write_json
from t2i_trainer.networks.denoiser import (
    clean_latents,
    min_snr_weights,
    new_scheduler,
    new_unet,
    sampling_scheduler,
    target_of,
    validation_noise,
)
from t2i_trainer.networks.text_encoder import EmbeddingNoise, load_text_encoder, tokenize
from t2i_trainer.progress import Progress
from t2i_trainer.training.checkpoints import load_checkpoint, save_checkpoint
from t2i_trainer.training.steps import (
    Ema,
    add_device_flags,
    add_pace_flags,
    autocast,
    captured,
    count_parameters,
    descend,
    learning_rate,
    parameter_groups,
    prepared,
    seed_everything,
    set_weights,
    step_generator,
    swapped_weights,
    trained_weights,
)

# Share of the learning rate at which the text encoder goes on learning.
TEXT_RATE = 0.1


class Model(nn.Module):
    """What is trained together: noisy latents, timesteps, token ids and noise for their vectors to what the denoiser
    predicts."""

    def __init__(self, unet: nn.Module, text: nn.Module, embedding: EmbeddingNoise):
        super().__init__()
        self.unet, self.text, self.embedding = unet, text, embedding

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor, embedding_noise: Tensor | None = None) -> Tensor:
        self.embedding.noise = embedding_noise
        return self.unet(noisy, timesteps, self.text(ids)).sample


def train(
    data: Path,  # folder with latents.npy, samples.jsonl, concepts.json
    val: Path,  # the same for validation
    text: Path,  # folder of train_text.py: tokenizer/, text_encoder/
    out: Path,  # run folder
    steps: int = 80_000,
    batch: int = 32,
    lr: float = 1e-3,
    warmup: int = 300,
    decay: float = 0.2,  # share of the steps over which the learning rate falls to 0
    single_steps: int = 0,  # steps at the start that see only images of one thing
    channels: tuple[int, ...] = (64, 128, 256),
    layers: int = 1,  # residual blocks a level
    prediction: str = "v_prediction",  # or epsilon, sample
    caption_dropout: float = 0.1,  # share of samples that see the empty caption
    near_share: float = 0.1,  # share of names and colours that a near word stands for
    embedding_noise: float = 0.25,  # length of the normal noise on a token's unit vector
    ema_decay: float = 0.9995,
    uniform_timesteps: float = 0.2,  # share of the timesteps drawn evenly; the others are mostly noisy ones
    min_snr: float | None = None,  # gamma of min-SNR weighting, off when None; validation is never weighted
    clip: float = 0.5,  # largest gradient norm
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
    compile: bool = False,  # torch.compile the network
    cuda_graphs: bool = False,  # replay the network's passes as CUDA graphs
    workers: int = 0,  # processes that prepare batches, for a GPU that would wait for one
    checkpoint_every: int = 1_000,
    stop_after: int | None = None,  # end after this step as if interrupted
) -> None:
    """Runs the training loop."""
    options = {
        key: str(value) if isinstance(value, Path) else value for key, value in locals().items() if key != "stop_after"
    }
    training, validation = LatentSet(data, device), LatentSet(val, device)
    seed_everything(seed)
    tokenizer, encoder = CLIPTokenizer.from_pretrained(text / "tokenizer"), load_text_encoder(text / "text_encoder")
    encoder.clip.get_input_embeddings().requires_grad_(False)
    unet = new_unet(
        tuple(channels), layers, encoder.config.hidden_size, training.latents.shape[1], training.latents.shape[-1]
    )
    if device == "cpu":
        # The fused attention's backward pass is slow there: plain attention takes a quarter off a step.
        unet.set_attn_processor(AttnProcessor())
    embedding = EmbeddingNoise(encoder, embedding_noise)
    model = Model(unet, encoder, embedding).to(device)
    forward = torch.compile(model) if compile else model
    scheduler = new_scheduler(prediction)
    total = scheduler.config.num_train_timesteps
    optimizer = torch.optim.AdamW(
        [*parameter_groups(unet, 0.01), *parameter_groups(encoder, 0.01, TEXT_RATE)], lr=lr, betas=(0.9, 0.99),
        fused=True,
    )  # fmt: skip
    near = read_json(text / "text_encoder" / "near_words.json")
    captions = CaptionWords(training.samples, read_json(data / "concepts.json"), near, near_share, seed)
    batches = Batches(
        training, captions, tokenizer, batch, seed, single_steps, caption_dropout, total, uniform_timesteps
    )
    ema, first = Ema(model, ema_decay), 0
    if state := load_checkpoint(out, device):
        set_weights(model, state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema.weights, first = state["ema"], state["step"]
    shutil.copytree(text / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    parameters = count_parameters(unet.parameters())
    write_json(
        out / "options.json",
        {**options, "parameters": parameters, "exam": exam_hash(), "torch": torch.__version__},
    )
    progress, mean = Progress("unet", steps * batch, "samples", first * batch, every=30), None
    with embedding:
        for step, (chosen, ids, timesteps) in enumerate(prepared(batches, range(first, steps), workers, device), first):
            draw = step_generator(seed, step, device, stream=1)
            ids, timesteps = (tensor.to(device, non_blocking=True) for tensor in (ids, timesteps))
            latents = training.batch(chosen)
            noise = torch.randn(latents.shape, generator=draw, device=device)
            given = scheduler.add_noise(latents, noise, timesteps), timesteps, ids, embedding.draw(ids, draw)
            if cuda_graphs and step == first:
                forward = captured(forward, given, device, precision)
            with autocast(device, precision):
                predicted = forward(*given)
            target = target_of(scheduler, latents, noise, timesteps)
            error = F.mse_loss(predicted.float(), target, reduction="none").mean((1, 2, 3))
            loss = (error * min_snr_weights(scheduler, timesteps, min_snr)).mean() if min_snr else error.mean()
            descend(optimizer, loss, learning_rate(step, lr, warmup, steps, decay), clip)
            ema.update(model, step)
            # Stays where it is computed: to read it at each step would make a GPU wait.
            mean = loss.detach() if mean is None else mean.lerp(loss.detach(), 0.01)
            done = step + 1
            progress.update(done * batch, loss=mean)
            if done % checkpoint_every == 0 or done in (steps, stop_after):
                save_checkpoint(
                    out, done, model=trained_weights(model), optimizer=optimizer.state_dict(), ema=ema.weights
                )
                with swapped_weights(model, ema.weights):
                    measured = validate(model, scheduler, validation, tokenizer, device, precision)
                    unet.save_pretrained(out / "unet")
                    encoder.save_pretrained(out / "text_encoder")
                shutil.copy(text / "text_encoder" / "training.json", out / "text_encoder")
                sampling_scheduler(scheduler).save_pretrained(out / "scheduler")
                line = {"step": done, "train_loss": mean.item(), **measured}
                with (out / "metrics.jsonl").open("a") as lines:
                    lines.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)
            if done == stop_after:
                return
    write_json(out / "trained.json", {"steps": steps})


# Timesteps, as shares of all, at which validation asks for the clean latents.
VALIDATION_TIMES = (1.0, 0.9, 0.7, 0.4)


@torch.no_grad()
def validate(
    model: Model, scheduler, validation: LatentSet, tokenizer: CLIPTokenizer, device: str, precision: str,
    most: int = 256, batch: int = 64,
) -> dict[str, float]:  # fmt: skip
    """Mean squared error of the clean latents at each of VALIDATION_TIMES over the first `most` items, whose noise is
    always the same; `val_loss` is the mean of these."""
    model.eval()
    total, count = scheduler.config.num_train_timesteps, min(most, len(validation))
    captions = validation.captions[:count]
    noise = validation_noise(captions, tuple(validation.latents.shape[1:]))
    ids = tokenize(tokenizer, captions)
    errors: dict[str, float] = {}
    for share in VALIDATION_TIMES:
        parts = []
        for i in range(0, count, batch):
            part = slice(i, min(i + batch, count))
            latents, eps = validation.batch(torch.arange(count)[part]), noise[part].to(device)
            t = torch.full((len(latents),), min(total - 1, round(share * total)), device=device)
            noisy = scheduler.add_noise(latents, eps, t)
            with autocast(device, precision):
                predicted = model(noisy, t, ids[part].to(device))
            clean = clean_latents(scheduler, noisy, predicted.float(), t)
            parts.append((clean - latents).square().mean((1, 2, 3)))
        errors[f"val_{share:g}"] = torch.cat(parts).mean().item()
    model.train()
    return {"val_loss": float(np.mean(list(errors.values()))), **errors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=80_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.2)
    parser.add_argument("--single-steps", type=int, default=0)
    parser.add_argument("--channels", type=int, nargs="+", default=(64, 128, 256))
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--prediction", choices=("epsilon", "v_prediction", "sample"), default="v_prediction")
    parser.add_argument("--caption-dropout", type=float, default=0.1)
    parser.add_argument("--ema-decay", type=float, default=0.9995)
    parser.add_argument("--uniform-timesteps", type=float, default=0.2)
    parser.add_argument("--min-snr", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-every", type=int, default=1_000)
    parser.add_argument("--stop-after", type=int)
    parser.add_argument("--compile", action="store_true")
    add_device_flags(parser)
    add_pace_flags(parser)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
