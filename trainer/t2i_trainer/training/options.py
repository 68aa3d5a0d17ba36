"""What a training of a denoiser is told: sections of the project's parameters."""

import dataclasses
from typing import Any

from ..params import DDPMSchedulerParams, TrainingParams, UnetParams


@dataclasses.dataclass(frozen=True)
class DiffuserOptions:
    """Everything that `train_diffuser` is told."""

    unet: UnetParams = dataclasses.field(default_factory=UnetParams)
    schedule: DDPMSchedulerParams = dataclasses.field(default_factory=DDPMSchedulerParams)
    training: TrainingParams = dataclasses.field(default_factory=TrainingParams)
    num_workers: int = 0
    """Processes that load a rank's batches; the rank itself where 0."""

    def sections(self) -> dict[str, dict[str, Any]]:
        """What decides or carries out the training, by section and name, as in params.yaml."""
        parts = {"unet": self.unet, "DDPMScheduler": self.schedule, "training": self.training}
        return {section: part.model_dump(mode="json") for section, part in parts.items()}
