"""The networks of the tiny models: random weights, and wrappers with other exporters' inputs and outputs."""

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from .tiny_tokenizer import CONTEXT, vocabulary

STATES_WIDTH = 16
GUIDANCE_WIDTH = 32


class TwoStatesPerToken(nn.Module):
    """input_ids [batch, context] -> last_hidden_state [batch, 2 * context, width]: the states, then mirrored."""

    def __init__(self, clip: nn.Module):
        super().__init__()
        self.clip = clip

    def forward(self, input_ids: Tensor) -> Tensor:
        states = self.clip(input_ids=input_ids, return_dict=False)[0]
        return torch.cat([states, states.flip(2)], dim=1)


class DistilledUnet(nn.Module):
    """A UNet that takes the guidance scale as `timestep_cond`, as optimum exports it."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, timestep_cond: Tensor) -> Tensor:
        return self.unet(sample, timestep, encoder_hidden_states, timestep_cond=timestep_cond, return_dict=False)[0]


class MaskedTextEncoder(nn.Module):
    """input_ids, attention_mask -> last_hidden_state."""

    def __init__(self, clip: nn.Module):
        super().__init__()
        self.clip = clip

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.clip(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]


class Float16Ends(nn.Module):
    """A float32 module between float16 inputs and a float16 output."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.inner(*(value.float() if value.dtype == torch.float16 else value for value in inputs)).half()


def modules(
    seed: int, channels: int, factor: int, sample_size: int, **unet_options: Any
) -> tuple[CLIPTextModel, UNet2DConditionModel, AutoencoderKL]:
    """Text encoder, UNet and autoencoder with random weights that fp16 holds exactly."""
    torch.manual_seed(seed)
    size = len(vocabulary())
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size,
            hidden_size=STATES_WIDTH,
            intermediate_size=2 * STATES_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=CONTEXT,
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type=None,
        up_block_types=("UpBlock2D", "UpBlock2D"),
        cross_attention_dim=STATES_WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
        **unet_options,
    )
    levels = factor.bit_length()
    vae = AutoencoderKL(
        sample_size=sample_size * factor,
        latent_channels=channels,
        block_out_channels=(4,) * (levels - 1) + (8,),
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        clip.get_input_embeddings().weight.mul_(
            20
        )  # random embeddings are faint: without this every prompt gives one image
        vae.decoder.conv_out.weight.mul_(4)
    return tuple(module.half().float().eval() for module in (clip, unet, vae))
