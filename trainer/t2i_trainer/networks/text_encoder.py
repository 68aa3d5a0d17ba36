"""The text side of the model: CLIP's architecture and vocabulary, and a sketch of the things that a caption names."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..files import read_json, write_json
from .sketch import Sketch
from .weights import load_whole, save_weights

CONTEXT = 32
END = 49407


class TextEncoder(nn.Module):
    """Token ids, int64 [n, CONTEXT], to states [n, CONTEXT + sketch, width]: those of the words, then the sketch."""

    def __init__(self, clip: CLIPTextModel, sketch: Sketch):
        super().__init__()
        self.clip, self.sketch = clip, sketch

    @property
    def config(self) -> CLIPTextConfig:
        return self.clip.config

    def words(self, input_ids: Tensor) -> Tensor:
        """The states of the words alone, [n, CONTEXT, width]."""
        return self.clip(input_ids=input_ids).last_hidden_state

    def forward(self, input_ids: Tensor) -> Tensor:
        states = self.words(input_ids)
        return torch.cat([states, self.sketch(states)], dim=1)

    def save_pretrained(self, folder: Path) -> None:
        """CLIP's folder as transformers writes it, and the sketch beside it."""
        self.clip.save_pretrained(folder)
        save_weights(self.sketch, folder / "sketch.safetensors")
        write_json(folder / "sketch.json", self.sketch.config)

    @classmethod
    def from_pretrained(cls, folder: Path) -> "TextEncoder":
        sketch = Sketch(**read_json(folder / "sketch.json"))
        sketch.load_state_dict(load_file(folder / "sketch.safetensors"))
        return cls(load_clip(folder), sketch)


def load_text_encoder(folder: Path) -> TextEncoder | CLIPTextModel:
    """The text encoder of a run folder: with a sketch or, as everybody else writes it, CLIP alone."""
    return TextEncoder.from_pretrained(folder) if (folder / "sketch.json").exists() else load_clip(folder)


def load_clip(folder: Path) -> CLIPTextModel:
    """CLIP alone; raises StageError as `load_whole`."""
    return load_whole(CLIPTextModel, folder)


def count_states(encoder: TextEncoder | CLIPTextModel) -> int:
    """How many states an encoder gives for one prompt."""
    words = encoder.config.max_position_embeddings
    return words + len(encoder.sketch.places) if isinstance(encoder, TextEncoder) else words


def new_text_encoder(table: np.ndarray, layers: int, heads: int) -> TextEncoder:
    """An encoder with the given frozen token table, float32 [vocabulary, width]."""
    width = table.shape[1]
    config = CLIPTextConfig(
        vocab_size=len(table),
        hidden_size=width, intermediate_size=4 * width, projection_dim=width, num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=CONTEXT, bos_token_id=49406, eos_token_id=END, pad_token_id=END,
    )  # fmt: skip
    # On a CPU the fused attention's backward pass takes several times as long as the plain one.
    config._attn_implementation = "eager"
    clip = CLIPTextModel(config)
    embedding = clip.get_input_embeddings()
    embedding.weight.data.copy_(torch.from_numpy(table))
    embedding.weight.requires_grad_(False)
    return TextEncoder(clip, Sketch(width))


def tokenize(tokenizer: CLIPTokenizer, captions: list[str], context: int = CONTEXT) -> Tensor:
    """Ids, int64 [n, context], padded as the tokenizer says; ours pads with the end token."""
    return tokenizer(captions, padding="max_length", truncation=True, max_length=context, return_tensors="pt").input_ids


class EmbeddingNoise:
    """Adds noise to every token's vector while it is entered, so that words close to each other are one to the layers
    above: a fresh `draw` for each pass, set as `noise`."""

    def __init__(self, encoder: TextEncoder, length: float):
        """`length` is that of the noise, relative to a vector of length 1."""
        self.embedding = encoder.clip.get_input_embeddings()
        self.width = encoder.config.hidden_size
        self.spread = length / self.width**0.5
        self.noise: Tensor | None = None

    def draw(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        """Normal noise for token ids [n, context] of the generator's device, float32 [n, context, width]."""
        return self.spread * torch.randn((*ids.shape, self.width), generator=generator, device=ids.device)

    def __enter__(self) -> "EmbeddingNoise":
        self.hook = self.embedding.register_forward_hook(self._add)
        return self

    def __exit__(self, *_: object) -> None:
        self.hook.remove()

    def _add(self, _module: nn.Module, _inputs: object, rows: Tensor) -> Tensor:
        return rows if self.noise is None else rows + self.noise.to(rows.dtype)
