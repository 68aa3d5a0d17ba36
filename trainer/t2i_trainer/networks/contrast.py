"""What a text encoder is trained against: an image tower, a head over the text states, and the loss between the two.
All of it is thrown away afterwards."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .text_encoder import END

TOWER_SIDE = 32


class ImageTower(nn.Module):
    """Images [n, 3, 32, 32] to unit vectors [n, width]."""

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer in ((3, 32), (32, 96), (96, 192), (192, 256)):
            layers += [
                nn.Conv2d(inner, outer, 3, stride=1 if inner == 3 else 2, padding=1),
                nn.GroupNorm(8, outer),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 16, width))

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.layers(images), dim=-1)


class TextHead(nn.Module):
    """What the contrastive loss sees of the text: the end token's state and the mean of all, projected to the tower's
    width."""

    def __init__(self, width: int, out: int):
        super().__init__()
        self.project = nn.Linear(2 * width, out)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, states: Tensor, ids: Tensor) -> Tensor:
        ends = (ids == END).int().argmax(1)
        mask = (torch.arange(states.shape[1], device=states.device) <= ends[:, None]).unsqueeze(-1)
        mean = (states * mask).sum(1) / (ends[:, None] + 1)
        end = states[torch.arange(len(states), device=states.device), ends]
        return F.normalize(self.project(torch.cat([end, mean], dim=-1)), dim=-1)


def contrastive_loss(text: Tensor, images: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE in both directions (Radford et al. 2021, figure 3)."""
    logits = scale * text @ images.T
    target = torch.arange(len(text), device=text.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
