"""What a user may ask of the training of a denoiser: the sections `unet`, `DDPMScheduler` and `training`."""

import dataclasses
from typing import Any

from ..sections import option

DOWN_BLOCKS = ("DownBlock2D", "CrossAttnDownBlock2D")
UP_BLOCKS = ("UpBlock2D", "CrossAttnUpBlock2D")
MID_BLOCKS = ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D")
STRATEGIES = ("single", "ddp", "zero1", "zero2", "zero3")


@dataclasses.dataclass(frozen=True)
class UNetOptions:
    """The section `unet`: a UNet2DConditionModel. Lists go from the full latent size down."""

    init_from: str | None = option(None, "diffusers folder whose unet/ and scheduler/ training starts from")
    image_size: tuple[int, ...] = option((16, 16), "height and width of the latents", least=1)
    in_channels: int = option(4, "channels of the latents", least=1)
    out_channels: int = option(4, "channels of the prediction; as many as in_channels", least=1)
    down_block_types: tuple[str, ...] = option(
        ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), "block of each level down", choices=DOWN_BLOCKS
    )
    mid_block_type: str | None = option(MID_BLOCKS[0], "block at the smallest size", choices=MID_BLOCKS)
    up_block_types: tuple[str, ...] = option(
        ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "block of each level up", choices=UP_BLOCKS
    )
    block_out_channels: tuple[int, ...] = option((192, 384, 576), "channels of each level", least=1)
    layers_per_block: int | tuple[int, ...] = option(2, "residual blocks a level, or of each level", least=1)
    norm_num_groups: int = option(32, "groups of each group norm; divides every level's channels", least=1)
    cross_attention_dim: int = option(768, "width of the text states", least=1)
    attention_head_dim: int | tuple[int, ...] = option(
        8, "attention heads (as diffusers names their number), or those of each level", least=1
    )
    dropout: float = option(0.0, "share of features dropped in residual blocks", least=0, below=1)
    time_embedding_type: str = option("positional", "how the timestep is embedded", choices=("positional", "fourier"))
    act_fn: str = option("silu", "activation", choices=("silu", "swish", "mish", "gelu", "relu"))


@dataclasses.dataclass(frozen=True)
class ScheduleOptions:
    """The section `DDPMScheduler`: the noise schedule (Ho et al. 2020) and what the network predicts."""

    num_train_timesteps: int = option(1000, "timesteps of the noise schedule", least=2)
    beta_schedule: str = option(
        "squaredcos_cap_v2", "how beta grows; squaredcos_cap_v2 is the cosine schedule of Nichol and Dhariwal 2021",
        choices=("linear", "scaled_linear", "squaredcos_cap_v2"),
    )  # fmt: skip
    beta_start: float = option(0.0001, "first beta; not used by squaredcos_cap_v2", above=0, below=1)
    beta_end: float = option(0.02, "last beta; not used by squaredcos_cap_v2", above=0, below=1)
    prediction_type: str = option(
        "epsilon", "what the network predicts: the noise, the velocity or the clean latents",
        choices=("epsilon", "v_prediction", "sample"),
    )  # fmt: skip
    rescale_betas_zero_snr: bool = option(
        False, "last timestep is pure noise (Lin et al. 2024, arXiv 2305.08891); needs v_prediction"
    )


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The section `training`."""

    run_name: str = option("default", "name of the run's folder below runs/")
    seed: int = option(0, "seed of the initial weights, the order of the samples and all noise", least=0)
    batch_size: int = option(64, "samples of a step, over all ranks and accumulation steps", least=1)
    num_epochs: int = option(100, "passes over the samples", least=1)
    max_steps: int | None = option(None, "steps, where fewer than num_epochs makes", least=1)
    unet_learning_rate: float = option(1e-4, "peak learning rate", above=0)
    weight_decay: float = option(0.01, "AdamW's weight decay; norms and biases have none", least=0)
    lr_scheduler: str = option(
        "WarmupCosineLR", "how the learning rate goes", choices=("WarmupCosineLR", "WarmupLR", "WarmupDecayLR")
    )
    warmup_steps: int = option(500, "steps until the peak learning rate", least=0)
    gradient_clipping: float = option(0.5, "largest norm of a step's gradient", above=0)
    gradient_accumulation_steps: int = option(1, "parts of a rank's share of a batch, one after another", least=1)
    gradient_checkpointing: bool = option(False, "compute activations again in the backward pass to save memory")
    strategy: str = option("ddp", "how ranks share the work", choices=STRATEGIES)
    precision: str = option("fp32", "of the forward pass; weights stay fp32", choices=("fp32", "bf16", "fp16"))
    num_workers: int = option(0, "processes that load a rank's batches; the rank itself where 0", least=0)
    caption_dropout: float = option(0.1, "share of samples that see the null state", least=0, most=1)
    use_ema: bool = option(True, "validate and write a moving average of the weights")
    ema_decay: float = option(0.9999, "share of the average kept at a step, after its warm-up", least=0, below=1)
    snr_gamma: float | None = option(None, "gamma of min-SNR weighting (Hang et al. 2023); off where empty", above=0)
    noise_offset: float = option(0.0, "noise that a whole channel shares, as a share of the noise", least=0)
    input_perturbation: float = option(0.0, "extra noise of the input (Ning et al. 2023, arXiv 2301.11706)", least=0)
    validation_steps: int | None = option(None, "steps between validations; an epoch where empty", least=1)
    checkpoint_steps: int | None = option(None, "steps between checkpoints; an epoch where empty", least=1)
    patience: int | None = option(
        None, "validations without improvement until training stops; never where empty", least=1
    )
    min_delta: float = option(0.0, "fall of the validation loss that counts as improvement for patience", least=0)
    lora_rank: int | None = option(None, "train LoRA adapters of this rank in place of all weights", least=1)


@dataclasses.dataclass(frozen=True)
class DiffuserOptions:
    """Everything that `train_diffuser` is told."""

    unet: UNetOptions = UNetOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    training: TrainingOptions = TrainingOptions()

    def sections(self) -> dict[str, dict[str, Any]]:
        """The values by section and name, as in params.yaml."""
        parts = {"unet": self.unet, "DDPMScheduler": self.schedule, "training": self.training}
        return {
            section: {name: list(value) if isinstance(value, tuple) else value for name, value in vars(part).items()}
            for section, part in parts.items()
        }
