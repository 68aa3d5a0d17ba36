"""What the training of an autoencoder is told, and what stands against it."""

import dataclasses
from typing import Literal

from ...params import Params, TrainingParams
from ...stage import warn
from ..check import gpu_capability, precision_issues, refuse


@dataclasses.dataclass(frozen=True)
class VaeOptions:
    """Everything that `train_autoencoder` is told beside the model and the images."""

    learning_rate: float
    """Of Adam, the same at each step."""
    num_epochs: int
    """Passes over the training images."""
    batch_size: int
    """Images of a step."""
    gradient_accumulation_steps: int
    """Equal parts that a batch is computed in, one after another."""
    gradient_checkpointing: bool
    gradient_clipping: float
    """Largest norm of a step's gradient."""
    precision: Literal["fp32", "bf16"]
    """Of the passes; weights stay fp32."""
    checkpoint_steps: int
    """Steps between checkpoints; each epoch ends with one too."""
    num_workers: int
    """Processes that load batches; this one where 0."""
    flip: bool
    """Mirror half of the training images."""
    seed: int
    """Of the order, the mirroring and the noise."""

    @classmethod
    def of(cls, params: Params) -> "VaeOptions":
        """Those of the sections `vae`, `data` and `training`."""
        vae, data, training = params.vae, params.data, params.training
        return cls(
            learning_rate=vae.learning_rate, num_epochs=vae.num_epochs, batch_size=training.batch_size,
            gradient_accumulation_steps=training.gradient_accumulation_steps,
            gradient_checkpointing=training.gradient_checkpointing, gradient_clipping=training.gradient_clipping,
            precision=usable_precision(training.precision), checkpoint_steps=training.checkpoint_steps,
            num_workers=data.num_workers, flip=data.flip, seed=training.seed,
        )  # fmt: skip

    @property
    def part(self) -> int:
        """Images that are computed at once."""
        return self.batch_size // self.gradient_accumulation_steps

    def optimization(self) -> TrainingParams:
        """The same for the strategy that carries out a step."""
        return TrainingParams(
            unet_learning_rate=self.learning_rate, weight_decay=0.0, precision=self.precision,
            gradient_accumulation_steps=self.gradient_accumulation_steps, gradient_clipping=self.gradient_clipping,
        )  # fmt: skip

    def learnt(self) -> dict[str, object]:
        """The options that decide what is learnt, by their names in the parameters: a resumed run may not change
        them."""
        return {
            "vae.learning_rate": self.learning_rate, "vae.num_epochs": self.num_epochs, "data.flip": self.flip,
            "training.batch_size": self.batch_size, "training.precision": self.precision,
            "training.gradient_clipping": self.gradient_clipping, "training.seed": self.seed,
        }  # fmt: skip


def usable_precision(asked: Literal["fp32", "bf16", "fp16"]) -> Literal["fp32", "bf16"]:
    """The precision that an autoencoder is trained in where the denoiser's is `asked`. That of Stable Diffusion
    overflows in fp16 (its configuration says `force_upcast`), so fp16 becomes fp32, with a warning."""
    if asked != "fp16":
        return asked
    warn("training.precision: an autoencoder overflows in fp16; it is trained in fp32")
    return "fp32"


def check_options(options: VaeOptions) -> None:
    """Raises StageError where this machine cannot train so."""
    refuse(precision_issues(options.precision, gpu_capability()))
