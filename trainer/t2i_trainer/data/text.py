"""The frozen text encoder of a project: captions to the states that the denoiser attends to."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..files import read_json
from ..networks.text_encoder import tokenize
from ..stage import Issue, StageError
from .pretrained import default_device, find_pretrained

KINDS = ("clip_text_model", "clip")


class FrozenTextEncoder:
    """CLIP's text encoder. Its weights are loaded when a caption is first encoded."""

    def __init__(self, model: str, max_length: int, project: Path):
        """`model` is a folder or a name on the Hub, `max_length` the tokens of a caption, start and end among them.
        Raises StageError for a model that cannot be used, or a length that it has no positions for."""
        self.files = find_pretrained(model, project, "clip.model", "text_encoder")
        self.max_length = max_length
        positions = self._read_configuration()
        if not 3 <= max_length <= positions:
            raise StageError(
                "OPTION_INVALID",
                f"captions of {max_length} tokens do not fit {model}",
                f"Set clip.max_length to {positions}.",
                (Issue("clip.max_length", f"3 to {positions}, the positions of the encoder", str(max_length)),),
            )
        self.sha256 = self.files.sha256()
        self.device = default_device()
        self._model: CLIPTextModel | None = None

    def _read_configuration(self) -> int:
        """Loads the tokenizer; returns how many positions the encoder has."""
        folder, tokenizer = self.files.folder, self.files.tokenizer
        try:
            kind = read_json(folder / "config.json").get("model_type")
        except (ValueError, AttributeError) as error:
            raise self.files.invalid("the configuration of CLIP's text encoder", str(error)) from error
        # Of other models, and of a folder without a vocabulary, transformers makes what looks like CLIP's.
        if kind not in KINDS:
            raise self.files.invalid(f"a model of the type {' or '.join(KINDS)}", str(kind))
        if not (tokenizer / "tokenizer.json").is_file() and not (tokenizer / "vocab.json").is_file():
            raise self.files.invalid("a tokenizer", f"neither tokenizer.json nor vocab.json in {tokenizer}")
        try:
            config = CLIPTextConfig.from_pretrained(folder)
            self.tokenizer = CLIPTokenizer.from_pretrained(tokenizer)
        except (OSError, ValueError, TypeError) as error:
            raise self.files.invalid("CLIP's text encoder with its tokenizer", str(error)) from error
        if len(self.tokenizer) > config.vocab_size:
            raise self.files.invalid(f"a tokenizer of at most {config.vocab_size} tokens", str(len(self.tokenizer)))
        return config.max_position_embeddings

    def key(self, caption: str) -> str:
        """Of the states of a caption: changes with the caption, the encoder and the length."""
        return hashlib.sha256(f"{self.sha256} {self.max_length} {caption}".encode()).hexdigest()

    def too_long(self, captions: Sequence[str]) -> list[bool]:
        """Which captions have more than `max_length` tokens: the rest of them is not encoded."""
        if not captions:
            return []
        return [len(ids) > self.max_length for ids in self.tokenizer(list(captions), verbose=False).input_ids]

    @torch.inference_mode()
    def encode(self, captions: Sequence[str]) -> Tensor:
        """The last hidden states, float16 [n, max_length, width] on the CPU. Raises StageError where one is no finite
        number of float16."""
        if self._model is None:
            self._model = self.files.load(CLIPTextModel, self.device)
        ids = tokenize(self.tokenizer, list(captions), self.max_length).to(self.device)
        states = self._model(input_ids=ids).last_hidden_state.half().cpu()
        if not states.isfinite().all():
            raise self.files.invalid("states within the range of float16", "infinite ones, or NaN")
        return states
