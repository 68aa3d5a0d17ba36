"""The denoiser that a training teaches, on one rank: a step, and the validation loss."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ..data.loader import Batches, Stream
from ..stage import Issue, StageError
from .learning_rate import learning_rate_share
from .lora import add_adapters
from .model import folder_hash, new_model
from .objective import draw, training_loss
from .options import DiffuserOptions
from .samples import Batch, Samples, on_device
from .step_loader import StepLoader
from .steps import Ema, count_parameters, swapped_weights
from .strategies import Stepped, Strategy
from .validation import validate, validation_record


class Learner:
    """Network, average and objective. Every method is called by all ranks."""

    def __init__(self, options: DiffuserOptions, samples: Samples, validation: Samples, strategy: Strategy):
        """Raises StageError where the samples do not fit the network, or `unet.init_from` cannot be read."""
        self.options, self.samples, self.validation, self.strategy = options.training, samples, validation, strategy
        self.unet, self.scheduler = new_model(options)
        self._check_samples(options.unet.image_size)
        if options.training.lora_rank is not None:
            add_adapters(self.unet, options.training.lora_rank)
        self.parameters = count_parameters(self.unet.parameters())
        strategy.prepare(self.unet, options.training)
        self.ema = Ema(strategy.averaged, options.training.ema_decay) if options.training.use_ema else None
        self.record = validation_record(validation, self.scheduler)
        self.stream = Stream(len(samples), self.options.batch_size, self.options.seed, strategy.rank, strategy.world)
        self.steps = self.stream.steps(self.options.num_epochs)
        if self.options.max_steps is not None:
            self.steps = min(self.steps, self.options.max_steps)
        self.part = self.options.batch_size // (strategy.world * self.options.gradient_accumulation_steps)
        self.loader = StepLoader(Batches(samples, self.stream), self.steps, options.num_workers, str(strategy.device))
        self.null = samples.null.detach().to(strategy.device, torch.float32)

    def hashes(self, init_from: str | None) -> dict[str, str]:
        """Hashes of the data, and of the weights that training starts from."""
        null = hashlib.sha256(self.null.cpu().numpy().tobytes()).hexdigest()
        data = {
            "training_set": self.samples.fingerprint, "validation_set": self.validation.fingerprint, "null_state": null,
        }  # fmt: skip
        return data if init_from is None else {**data, "init_from": folder_hash(Path(init_from) / "unet")}

    def learning_rate(self, applied: int) -> float:
        """After so many steps that changed the weights."""
        share = learning_rate_share(self.options.lr_scheduler, applied, self.options.warmup_steps, self.steps)
        return self.options.unet_learning_rate * share

    def step(self, step: int, applied: int) -> tuple[Tensor, Stepped]:
        """Learns from the samples of `step`, the weights having changed `applied` times before. Returns this rank's
        mean loss, and what became of the step."""
        options, strategy = self.options, self.strategy
        read, losses = self.loader.at(step), []
        # What the network itself draws (dropout) must not depend on whether the run was resumed.
        torch.manual_seed(((options.seed * 1_000_003 + step) * 4_096 + strategy.rank) & (2**63 - 1))
        draws = draw(
            options.seed, step, options.batch_size, self.record["latents"],
            self.scheduler.config.num_train_timesteps, strategy.device,
        )  # fmt: skip
        for number in range(options.gradient_accumulation_steps):
            start = strategy.rank * self.stream.share + number * self.part
            rows = slice(start, start + self.part)
            own = {name: tensor.split(self.part)[number] for name, tensor in read.items()}
            batch = on_device(self.samples.encoded(own), strategy.device)

            def loss(batch: Batch = batch, rows: slice = rows) -> Tensor:
                return training_loss(strategy.network, self.scheduler, options, batch, self.null, draws.rows(rows))

            losses.append(strategy.backward(loss, number == options.gradient_accumulation_steps - 1))
        stepped = strategy.step(self.learning_rate(applied))
        if stepped.applied and self.ema:
            self.ema.update(strategy.averaged, applied)
        return torch.stack(losses).mean(), stepped

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Inside the block the network has its averaged weights, if it has an average, and drops nothing."""
        own = swapped_weights(self.strategy.averaged, self.ema.weights) if self.ema else contextlib.nullcontext()
        self.unet.eval()
        with own:
            self.strategy.publish()
            yield
        self.strategy.publish()
        self.unet.train()

    def validate(self) -> float:
        """The validation loss of the weights there are; see `validation.validate`."""
        strategy = self.strategy
        return validate(
            strategy.network, self.scheduler, self.validation, self.part, strategy.device, strategy.rank,
            strategy.world, strategy.total, strategy.autocast,
        )  # fmt: skip

    def _check_samples(self, image_size: tuple[int, ...]) -> None:
        config, issues = self.unet.config, []
        if len(self.samples) < self.options.batch_size:
            issues.append(
                Issue("training.batch_size", f"at most the {len(self.samples)} samples", f"{self.options.batch_size}")
            )
        for name, samples in (("training", self.samples), ("validation", self.validation)):
            if len(samples) == 0:
                issues.append(Issue(f"{name} samples", "at least one", "none"))
                continue
            mean, _, text = samples.batch([0])
            expected = (config.in_channels, *image_size)
            for what, shape, wanted, option in (
                ("latents", tuple(mean.shape[1:]), expected, "unet.in_channels and unet.image_size"),
                ("text states", (text.shape[-1],), (config.cross_attention_dim,), "unet.cross_attention_dim"),
                ("null state", tuple(samples.null.shape), tuple(text.shape[1:]), "the other text states"),
            ):
                if shape != wanted:
                    issues.append(Issue(f"{name} {what}", f"{list(wanted)}, by {option}", f"{list(shape)}"))
        if issues:
            hint = "Prepare the data again with the same parameters, or correct these."
            raise StageError("OPTION_INVALID", "the data does not fit the options", hint, tuple(issues))
