"""What a user may ask of the training of an autoencoder, and what is wrong with it."""

import dataclasses
from collections.abc import Iterable

from ...stage import Issue, StageError, warn
from ..check import gpu_capability, precision_issues, run_name_issues
from ..options import TrainingOptions


@dataclasses.dataclass(frozen=True)
class VaeOptions:
    """Everything that `train_autoencoder` is told beside the model and the images."""

    learning_rate: float = dataclasses.field(default=5e-5, metadata={"help": "of Adam, the same at each step; above 0"})
    num_epochs: int = dataclasses.field(default=1, metadata={"help": "passes over the training images, 1 or more"})
    batch_size: int = dataclasses.field(default=64, metadata={"help": "images of a step, 1 or more"})
    gradient_accumulation_steps: int = dataclasses.field(
        default=1, metadata={"help": "equal parts that a batch is computed in, one after another, 1 or more"}
    )
    gradient_checkpointing: bool = dataclasses.field(
        default=False, metadata={"help": "compute activations again in the backward pass to save memory"}
    )
    gradient_clipping: float = dataclasses.field(
        default=0.5, metadata={"help": "largest norm of a step's gradient, above 0"}
    )
    precision: str = dataclasses.field(
        default="fp32", metadata={"help": "of the passes, fp32 or bf16; weights stay fp32"}
    )
    checkpoint_steps: int = dataclasses.field(
        default=500, metadata={"help": "steps between checkpoints, 1 or more; each epoch ends with one too"}
    )
    num_workers: int = dataclasses.field(default=0, metadata={"help": "processes that load batches; this one where 0"})
    flip: bool = dataclasses.field(default=False, metadata={"help": "mirror half of the training images"})
    seed: int = dataclasses.field(default=0, metadata={"help": "of the order, the mirroring and the noise, 0 or more"})

    @property
    def part(self) -> int:
        """Images that are computed at once."""
        return self.batch_size // self.gradient_accumulation_steps

    def optimization(self) -> TrainingOptions:
        """The same for the strategy that carries out a step."""
        return TrainingOptions(
            unet_learning_rate=self.learning_rate, weight_decay=0.0, precision=self.precision, strategy="single",
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


def check_options(options: VaeOptions, run_name: str, train_size: int, val_size: int) -> None:
    """Raises StageError with everything that is wrong, before any file is read."""
    if issues := tuple(_issues(options, run_name, train_size, val_size)):
        raise StageError("OPTION_INVALID", "invalid training options", "Correct them in params.yaml.", issues)


def usable_precision(asked: str) -> str:
    """The precision that an autoencoder is trained in where the denoiser's is `asked`. That of Stable Diffusion
    overflows in fp16 (its configuration says `force_upcast`), so fp16 becomes fp32, with a warning."""
    if asked != "fp16":
        return asked
    warn("training.precision: an autoencoder overflows in fp16; it is trained in fp32")
    return "fp32"


def _issues(options: VaeOptions, run_name: str, train_size: int, val_size: int) -> Iterable[Issue]:
    yield from run_name_issues("mlflow.run_name", run_name)
    if options.batch_size > train_size:
        yield Issue("training.batch_size", f"at most data.train_size, {train_size}", f"{options.batch_size}")
    if options.batch_size % options.gradient_accumulation_steps:
        expected = f"a multiple of gradient_accumulation_steps, {options.gradient_accumulation_steps}"
        yield Issue("training.batch_size", expected, f"{options.batch_size}")
    if val_size < 1:
        yield Issue("data.val_size", "at least 1 image, which the best weights are chosen by", f"{val_size}")
    yield from precision_issues(options.precision, gpu_capability())
