"""The training of the denoiser on latents, with the text encoder, which goes on learning at a tenth of the rate."""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from ..command_line import recorded, required
from ..files import read_json, write_json
from ..networks.denoiser import min_snr_weights, new_scheduler, new_unet, sampling_scheduler, target_of
from ..networks.text_encoder import EmbeddingNoise, load_text_encoder
from ..progress import Progress
from ..sections import option
from ..training.checkpoints import load_checkpoint, save_checkpoint
from ..training.fit import Figures, fit
from ..training.pace import Pace
from ..training.steps import (
    Ema,
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
from .batches import Batch, Batches
from .exam import exam_hash
from .latents import LatentSet
from .near_words import CaptionWords
from .validate_denoiser import validate

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenoiserOptions(Pace):
    """What the denoiser is trained with."""

    data: Path = required("folder of data.py with the latents that train_vae.py wrote")
    val: Path = required("the same for validation")
    text: Path = required("folder of train_text.py: tokenizer/, text_encoder/")
    out: Path = required("run folder")
    steps: int = option(80_000, "steps of the training", least=1)
    batch: int = option(32, "samples of a step", least=1)
    lr: float = option(1e-3, "peak learning rate", above=0)
    warmup: int = option(300, "steps until the peak learning rate", least=0)
    decay: float = option(0.2, "share of the steps over which the learning rate falls to 0", above=0, most=1)
    single_steps: int = option(0, "steps at the start that see only images of one thing", least=0)
    channels: tuple[int, ...] = option((64, 128, 256), "channels of each level", least=1)
    layers: int = option(1, "residual blocks a level", least=1)
    prediction: str = option("v_prediction", "what the network predicts", choices=("epsilon", "v_prediction", "sample"))
    caption_dropout: float = option(0.1, "share of samples that see the empty caption", least=0, most=1)
    near_share: float = option(0.1, "share of names and colours that a near word stands for", least=0, most=1)
    embedding_noise: float = option(0.25, "length of the normal noise on a token's unit vector", least=0)
    ema_decay: float = option(0.9995, "share of the average kept at a step, after its warm-up", least=0, below=1)
    uniform_timesteps: float = option(
        0.2, "share of the timesteps drawn evenly; the others are mostly noisy ones", least=0, most=1
    )
    min_snr: float | None = option(None, "gamma of min-SNR weighting; validation is never weighted", above=0)
    clip: float = option(0.5, "largest norm of a step's gradient", above=0)
    seed: int = option(0, "of weights, order and noise", least=0)
    compile: bool = option(False, "torch.compile the network")
    checkpoint_every: int = option(1_000, "steps between checkpoints", least=1)
    stop_after: int | None = option(None, "end after this step as if interrupted", least=1)


def train_denoiser(options: DenoiserOptions) -> None:
    """Trains, or goes on training, and writes the run folder."""
    _Training(options).train()


class _Training:
    def __init__(self, options: DenoiserOptions):
        device, out, text = options.device, options.out, options.text
        self.options = options
        self.training, self.validation = LatentSet(options.data, device), LatentSet(options.val, device)
        seed_everything(options.seed)
        self.tokenizer = CLIPTokenizer.from_pretrained(text / "tokenizer")
        self.encoder = load_text_encoder(text / "text_encoder")
        self.encoder.clip.get_input_embeddings().requires_grad_(False)
        self.unet = new_unet(
            options.channels, options.layers, self.encoder.config.hidden_size, self.training.latents.shape[1],
            self.training.latents.shape[-1],
        )  # fmt: skip
        if device == "cpu":
            # The fused attention's backward pass is slow there: plain attention takes a quarter off a step.
            self.unet.set_attn_processor(AttnProcessor())
        self.embedding = EmbeddingNoise(self.encoder, options.embedding_noise)
        self.model = Model(self.unet, self.encoder, self.embedding).to(device)
        self.forward: Any = torch.compile(self.model) if options.compile else self.model
        self.scheduler = new_scheduler(options.prediction)
        self.optimizer = torch.optim.AdamW(
            [*parameter_groups(self.unet, 0.01), *parameter_groups(self.encoder, 0.01, TEXT_RATE)], lr=options.lr,
            betas=(0.9, 0.99), fused=True,
        )  # fmt: skip
        self.ema, self.first = Ema(self.model, options.ema_decay), 0
        self.mean: Tensor | None = None
        if state := load_checkpoint(out, device):
            set_weights(self.model, state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.ema.weights, self.first = state["ema"], state["step"]

    def train(self) -> None:
        options = self.options
        shutil.copytree(options.text / "tokenizer", options.out / "tokenizer", dirs_exist_ok=True)
        facts = {
            "parameters": count_parameters(self.unet.parameters()),
            "exam": exam_hash(),
            "torch": torch.__version__,
        }
        write_json(options.out / "options.json", recorded(options, "stop_after") | facts)
        steps = range(self.first, options.steps)
        progress = Progress("unet", options.steps * options.batch, "samples", self.first * options.batch, every=30)
        with self.embedding:
            batches = prepared(self._batches(), steps, options.workers, options.device)
            fit(self._learn, batches, self.first, options.batch, progress, self._after)
        if options.stop_after is None or options.stop_after > options.steps:
            write_json(options.out / "trained.json", {"steps": options.steps})

    def _batches(self) -> Batches:
        options, total = self.options, self.scheduler.config.num_train_timesteps
        near = read_json(options.text / "text_encoder" / "near_words.json")
        concepts = read_json(options.data / "concepts.json")
        captions = CaptionWords(self.training.samples, concepts, near, options.near_share, options.seed)
        return Batches(
            self.training, captions, self.tokenizer, options.batch, options.seed, options.single_steps,
            options.caption_dropout, total, options.uniform_timesteps,
        )  # fmt: skip

    def _learn(self, step: int, batch: Batch) -> Figures:
        options, device, scheduler = self.options, self.options.device, self.scheduler
        draw = step_generator(options.seed, step, device, stream=1)
        ids, timesteps = (tensor.to(device, non_blocking=True) for tensor in (batch.ids, batch.timesteps))
        latents = self.training.batch(batch.indices)
        noise = torch.randn(latents.shape, generator=draw, device=device)
        given = scheduler.add_noise(latents, noise, timesteps), timesteps, ids, self.embedding.draw(ids, draw)
        if options.cuda_graphs and step == self.first:
            self.forward = captured(self.forward, given, device, options.precision)
        with autocast(device, options.precision):
            predicted = self.forward(*given)
        target = target_of(scheduler, latents, noise, timesteps)
        error = F.mse_loss(predicted.float(), target, reduction="none").mean((1, 2, 3))
        weights = min_snr_weights(scheduler, timesteps, options.min_snr) if options.min_snr else 1
        loss = (error * weights).mean()
        rate = learning_rate(step, options.lr, options.warmup, options.steps, options.decay)
        descend(self.optimizer, loss, rate, options.clip)
        self.ema.update(self.model, step)
        # Stays where it is computed: to read it at each step would make a GPU wait.
        self.mean = loss.detach() if self.mean is None else self.mean.lerp(loss.detach(), 0.01)
        return {"loss": self.mean}

    def _after(self, done: int) -> bool:
        if done % self.options.checkpoint_every == 0 or done in (self.options.steps, self.options.stop_after):
            self._save(done)
        return done == self.options.stop_after

    def _save(self, done: int) -> None:
        options, out = self.options, self.options.out
        weights = trained_weights(self.model)
        save_checkpoint(out, done, model=weights, optimizer=self.optimizer.state_dict(), ema=self.ema.weights)
        with swapped_weights(self.model, self.ema.weights):
            measured = validate(
                self.model, self.scheduler, self.validation, self.tokenizer, options.device, options.precision
            )
            self.unet.save_pretrained(out / "unet")
            self.encoder.save_pretrained(out / "text_encoder")
        shutil.copy(options.text / "text_encoder" / "training.json", out / "text_encoder")
        sampling_scheduler(self.scheduler).save_pretrained(out / "scheduler")
        line = {"step": done, "train_loss": math.nan if self.mean is None else self.mean.item(), **measured}
        with (out / "metrics.jsonl").open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
