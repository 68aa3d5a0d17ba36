"""What the denoiser sees of the data set at each step."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import CLIPTokenizer

from ..networks.denoiser import draw_timesteps
from ..networks.text_encoder import tokenize
from ..training.steps import EpochSampler, step_generator
from .latents import LatentSet
from .near_words import CaptionWords


class Batch(NamedTuple):
    indices: Tensor
    """Of the samples, int64 [n]."""
    ids: Tensor
    """Their captions, int64 [n, context]."""
    timesteps: Tensor
    """int64 [n]."""


class Batches(Dataset):
    """The batch of each step, a function of (seed, step) alone: it does not matter which process makes it."""

    def __init__(
        self, training: LatentSet, captions: CaptionWords, tokenizer: CLIPTokenizer, batch: int, seed: int,
        single_steps: int, caption_dropout: float, total_timesteps: int, uniform_timesteps: float,
    ):  # fmt: skip
        self.captions, self.tokenizer = captions, tokenizer
        self.batch, self.seed = batch, seed
        self.single_steps, self.caption_dropout = single_steps, caption_dropout
        self.total_timesteps, self.uniform_timesteps = total_timesteps, uniform_timesteps
        self.single = training.single
        self.every_sampler = EpochSampler(len(training), batch, seed)
        self.single_sampler = EpochSampler(len(self.single), batch, seed)

    def __getitem__(self, step: int) -> Batch:
        chosen = (
            self.single[self.single_sampler.indices(step)]
            if step < self.single_steps
            else self.every_sampler.indices(step)
        )
        draw = step_generator(self.seed, step)
        dropped = torch.rand(self.batch, generator=draw) < self.caption_dropout
        captions = ["" if gone else self.captions.at(int(i), step) for i, gone in zip(chosen, dropped, strict=True)]
        timesteps = draw_timesteps(self.batch, self.total_timesteps, self.uniform_timesteps, draw)
        return Batch(torch.from_numpy(chosen), tokenize(self.tokenizer, captions), timesteps)
