"""How far a set of generated images is from a set of real ones: FID and KID, in the features of a network."""

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

# Below so many images FID is too high by an amount that depends on their number.
ENOUGH = 10_000
SUBSETS, SUBSET_SIZE = 100, 1000


def distances(features: nn.Module, real: np.ndarray, drawn: np.ndarray, batch: int = 32) -> dict[str, dict[str, float]]:
    """Frechet distance (Heusel et al. 2017) and kernel distance with its deviation over subsets (Binkowski et al. 2018,
    unbiased for few images) of two sets of two images or more, uint8 [n, h, w, 3].

    `features`: images, uint8 [n, 3, h, w], to [n, width], and `num_features`, the width.
    """
    size = min(SUBSET_SIZE, len(real), len(drawn))
    on_cpu = _OnCpu(features)
    metrics = (FrechetInceptionDistance(on_cpu), KernelInceptionDistance(on_cpu, SUBSETS, size))
    for metric in metrics:
        for images, is_real in ((real, True), (drawn, False)):
            for start in range(0, len(images), batch):
                metric.update(_channels_first(images[start : start + batch]), real=is_real)
    frechet, kernel = metrics
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, deviation = kernel.compute()
    return {"fid": {"value": float(frechet.compute())}, "kid": {"value": float(mean), "deviation": float(deviation)}}


class _OnCpu(nn.Module):
    """Features on the CPU, where the metrics add them up, whatever device the network is on."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.num_features = network, network.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).cpu()


def _channels_first(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
