"""The batch of each step: a function of (seed, step, rank, world) alone, so it does not matter which process makes it,
nor where a run was stopped."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..stage import Issue, StageError
from .samples import Samples


class Batch(NamedTuple):
    """The samples of a step that one rank takes."""

    indices: Tensor
    """Which samples, int64 [n]."""
    image: dict[str, Tensor]
    """What `Samples.distribution` makes mean and standard deviation of."""
    noise: Tensor
    """Normal, float32 [n, c, h, w], of each sample's own generator."""
    states: Tensor
    """float32 [n, tokens, width]."""


class Stream:
    """All epochs in a row, each its own permutation of the samples. Step `s` takes the next `batch` of the row, so that
    each sample comes exactly once in an epoch and no batch is short, though one may hold the end of an epoch and the
    start of the next."""

    def __init__(self, count: int, batch: int, seed: int, rank: int = 0, world: int = 1):
        """`batch` is that of all `world` ranks together. Raises StageError where it cannot be shared evenly."""
        if batch % world or batch > count:
            raise StageError(
                "OPTION_INVALID",
                f"batches of {batch} cannot be made of {count} samples for {world} processes",
                "Change training.batch_size.",
                (Issue("training.batch_size", f"a multiple of {world}, at most {count}", str(batch)),),
            )
        self.count, self.batch, self.seed = count, batch, seed
        self.share = batch // world
        self.offset = rank * self.share
        self.epoch, self.order = -1, np.empty(0, dtype=np.int64)

    def at(self, step: int) -> list[tuple[int, int]]:
        """(epoch, index) of each sample that this rank takes."""
        start = step * self.batch + self.offset
        places = [divmod(position, self.count) for position in range(start, start + self.share)]
        return [(epoch, int(self._order(epoch)[place])) for epoch, place in places]

    def _order(self, epoch: int) -> np.ndarray:
        if epoch != self.epoch:
            self.epoch, self.order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.count)
        return self.order


class Batches(Dataset):
    """`batches[step]`, for `training.steps.prepared`."""

    def __init__(self, samples: Samples, stream: Stream, flip: bool):
        """`flip` mirrors each image in half of the epochs."""
        self.samples, self.stream, self.flip = samples, stream, flip

    def __getitem__(self, step: int) -> Batch:
        places = self.stream.at(step)
        indices = [index for _, index in places]
        draws = [sample_generator(self.stream.seed, epoch, index) for epoch, index in places]
        flipped = [self.flip and bool(torch.rand((), generator=draw) < 0.5) for draw in draws]
        shape = self.samples.autoencoder.latent_shape
        noise = torch.stack([torch.randn(shape, generator=draw) for draw in draws])
        image = self.samples.images.load(indices, flipped)
        return Batch(torch.tensor(indices), image, noise, self.samples.states.load(indices))


def sample_generator(seed: int, epoch: int, index: int) -> torch.Generator:
    """Random numbers of one sample in one epoch, independent of those of every other."""
    state = np.random.SeedSequence([seed, epoch, index]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def sampled_latents(samples: Samples, batch: Batch) -> Tensor:
    """mean + std * noise, float32 [n, c, h, w] (the reparametrisation of Kingma and Welling 2013, arXiv 1312.6114,
    section 2.4)."""
    mean, std = samples.distribution(batch.image)
    return mean + std * batch.noise
