"""How sharp images are."""

from torch import Tensor


def gradient_energy(images: Tensor) -> Tensor:
    """Sum of the squared differences of neighbours across and down, over all of `images` [n, channels, h, w]: halved by
    a slight blur, so its ratio to that of real images says how sharp they are."""
    return images.diff(dim=-1).square().sum() + images.diff(dim=-2).square().sum()
