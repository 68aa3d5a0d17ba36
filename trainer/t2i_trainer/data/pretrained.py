"""Frozen models by folder or by name on the Hugging Face Hub. Only safetensors and text files are read."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError

from ..files import sha256_file
from ..stage import Issue, StageError

WEIGHTS = (
    "model.safetensors", "model-*.safetensors",
    "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model-*.safetensors",
)  # fmt: skip
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """The files of one model."""

    option: str
    """Which parameter names it, for messages."""
    name: str
    folder: Path
    """Holds config.json and weights."""
    tokenizer: Path
    """Holds its tokenizer, where it has one."""

    def sha256(self) -> str:
        """Of configuration, weights and tokenizer: what its results depend on."""
        files = [self.folder / "config.json", *_weights(self.folder)]
        files += [self.tokenizer / name for name in TOKENIZER_FILES if (self.tokenizer / name).is_file()]
        record = "".join(f"{path.name} {sha256_file(path)}\n" for path in files)
        return hashlib.sha256(record.encode()).hexdigest()

    def require(self, sha256: str) -> None:
        """Raises StageError unless these are the files of this hash, which another machine has."""
        if (found := self.sha256()) != sha256:
            raise self.invalid(f"the files of the machine that began this, SHA-256 {sha256}", f"others, {found}")

    def load(self, kind: Any, device: str) -> Any:
        """The model of this class of transformers or diffusers, frozen. Raises StageError where weights are damaged
        or missing, which would be random ones else."""
        try:
            model, info = kind.from_pretrained(self.folder, use_safetensors=True, output_loading_info=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise self.invalid(f"a {kind.__name__}", str(error).strip().split("\n")[0]) from error
        if missing := sorted(info["missing_keys"]):
            raise self.invalid(
                f"every weight of a {kind.__name__}", f"none for {missing[0]} and {len(missing) - 1} others"
            )
        return model.to(device).eval().requires_grad_(False)

    def invalid(self, expected: str, received: str) -> StageError:
        return StageError(
            "MODEL_INVALID",
            f"{self.option}: {self.name} cannot be used",
            "Name a folder, or a model on huggingface.co, with config.json and safetensors.",
            (Issue(self.option, expected, received),),
        )


def find_pretrained(name: str, project: Path, option: str, part: str | None = None) -> Pretrained:
    """Finds a model: a folder (relative to `project`, or absolute) or else a name on the Hub, whose files are
    downloaded once. Of a diffusers pipeline, takes the folder `part`. Raises StageError where there is none, or where
    it has no safetensors."""
    root = project / name
    if not root.is_dir():
        root = _download(name, option, ("*.json", "*.txt"))
    folder = root / part if part and (root / part / "config.json").is_file() else root
    if not (project / name).is_dir():
        below = "" if folder == root else f"{part}/"
        _download(name, option, tuple(f"{below}{pattern}" for pattern in WEIGHTS))
    tokenizer = root / "tokenizer" if (root / "tokenizer").is_dir() else folder
    found = Pretrained(option, name, folder, tokenizer)
    if not (folder / "config.json").is_file():
        raise found.invalid("a folder with config.json", f"none in {folder}")
    if not _weights(folder):
        raise found.invalid(
            "weights as safetensors (no other kind is read, since it may hold code)", f"none in {folder}"
        )
    return found


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _weights(folder: Path) -> list[Path]:
    return [path for pattern in WEIGHTS for path in sorted(folder.glob(pattern))]


def _download(name: str, option: str, patterns: tuple[str, ...]) -> Path:
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        issue = Issue(
            option,
            "a folder, or a model of huggingface.co that can be downloaded",
            f"{name}: {str(error).strip().splitlines()[0]}",
        )
        raise StageError(
            "MODEL_NOT_FOUND",
            f"{option}: expected {issue.expected}, received {issue.received}",
            "Name a folder of the project, or a model on huggingface.co; a download needs the network once.",
            (issue,),
        ) from error
