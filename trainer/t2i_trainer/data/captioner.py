"""Captions for the images of a project, by Florence-2 (Xiao et al. 2023, arXiv 2311.06242)."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from ..stage import Issue, StageError, StageProgress
from .images import ImageRefused, decode_rgb
from .layout import DataFolder
from .pretrained import default_device, find_pretrained
from .work import Failure, Place, here

TASKS = ("<CAPTION>", "<DETAILED_CAPTION>", "<MORE_DETAILED_CAPTION>")
# What the model starts with, which says nothing of the image.
PREFIX = re.compile(
    r"^(?:(?:the|this|an) (?:image|picture|photo) (?:shows|depicts|features|displays|contains|is of|captures|"
    r"showcases)|in (?:the|this) (?:image|picture|photo),? (?:(?:we|i|you)(?: can)? see|there (?:is|are)))"
    r"(?: that)?\b[\s,:]*",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class CaptionOptions:
    """How captions are written."""

    model: str = dataclasses.field(metadata={"help": "Florence-2: a folder or a name on huggingface.co"})
    task: str = dataclasses.field(
        default="<DETAILED_CAPTION>", metadata={"help": f"how much is said: {', '.join(TASKS)}"}
    )
    batch_size: int = dataclasses.field(default=10, metadata={"help": "images at once, 1 or more"})
    overwrite: bool = dataclasses.field(default=False, metadata={"help": "also for images that have a caption"})
    beams: int = dataclasses.field(default=3, metadata={"help": "beams of the search, 1 or more"})
    max_new_tokens: int = dataclasses.field(default=256, metadata={"help": "longest caption, tokens"})


def write_captions(options: CaptionOptions, project: Path, data: DataFolder, place: Place = here) -> dict[str, int]:
    """Writes `captions/<stem>.txt` for every image without one, each as soon as it is there, so that the same call goes
    on where another was stopped. Raises StageError for options or a model that cannot be used and, once all others are
    done, for images without a caption, which `failures.jsonl` names."""
    _check(options)
    images = data.require_images()
    todo = images if options.overwrite else _without_caption(images, data)
    failures = data.root / "failures.jsonl"
    failures.unlink(missing_ok=True)
    failed = 0
    if todo:
        captioner = Florence2(options, project)
        progress = StageProgress("captions", len(images), "images", done=len(images) - len(todo))
        done = len(images) - len(todo)
        for paths, captions in place(captioner, todo, options.batch_size):
            for path, caption in zip(paths, captions, strict=True):
                if isinstance(caption, Failure):
                    failed += 1
                    with failures.open("a") as file:
                        file.write(json.dumps({"file": f"images/{path.name}", "reason": caption.reason}) + "\n")
                else:
                    data.write_caption(path.stem, str(caption))
            done += len(paths)
            progress.update(done)
    if failed:
        raise StageError(
            "DATA_INVALID",
            f"{failed} of {len(todo)} images have no caption; those of the others are written",
            f"See {failures}; write these captions yourself, or remove the images.",
            (Issue("data.raw", "images that can be captioned", f"{failed} that cannot"),),
        )
    return {"written": len(todo), "kept": len(images) - len(todo)}


def _check(options: CaptionOptions) -> None:
    issues = []
    if options.task not in TASKS:
        issues.append(Issue("data.caption_task", f"one of {', '.join(TASKS)}", options.task))
    if options.batch_size < 1:
        issues.append(Issue("data.caption_batch_size", "1 or more", str(options.batch_size)))
    if issues:
        raise StageError("OPTION_INVALID", "captions cannot be written with these options", None, tuple(issues))


def _without_caption(images: list[Path], data: DataFolder) -> list[Path]:
    found = []
    issues: list[Issue] = []
    for path in images:
        try:
            if not data.caption(path.stem):
                found.append(path)
        except StageError as error:
            issues += error.issues
    if issues:
        raise StageError("DATA_INVALID", f"{len(issues)} captions cannot be read", "Save them as UTF-8.", tuple(issues))
    return found


class Florence2:
    """The model with its processor, as transformers itself has them: no code of a model's repository is run. They are
    loaded when an image is first captioned."""

    def __init__(self, options: CaptionOptions, project: Path):
        self.options, self.project, self.device = options, project, default_device()
        self.files = find_pretrained(options.model, project, "data.caption_model")

    @functools.cached_property
    def processor(self) -> Any:
        try:
            return AutoProcessor.from_pretrained(self.files.folder, trust_remote_code=False)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise self.files.invalid("the processor of Florence-2", str(error).strip().split("\n")[0]) from error

    @functools.cached_property
    def model(self) -> Any:
        return self.files.load(Florence2ForConditionalGeneration, self.device)

    def recipe(self) -> Callable[[], "Florence2"]:
        return functools.partial(opened, self.options, self.project, self.files.sha256())

    def __call__(self, paths: Sequence[Path]) -> list[str | Failure]:
        """A caption for each image, in this order."""
        read = [_read(path) for path in paths]
        texts = iter(self._generate([image for image in read if isinstance(image, Image.Image)]))
        captions = [image if isinstance(image, Failure) else tidy(next(texts)) for image in read]
        return [caption or Failure("the model said nothing of it") for caption in captions]

    @torch.inference_mode()
    def _generate(self, images: list[Image.Image]) -> list[str]:
        if not images:
            return []
        inputs = self.processor(text=[self.options.task] * len(images), images=images, return_tensors="pt")
        ids = self.model.generate(
            **inputs.to(self.device),
            max_new_tokens=self.options.max_new_tokens,
            num_beams=self.options.beams,
            do_sample=False,
        )
        return self.processor.batch_decode(ids, skip_special_tokens=True)


def opened(options: CaptionOptions, project: Path, sha256: str) -> Florence2:
    """The model with these files. Raises StageError where this machine has others."""
    captioner = Florence2(options, project)
    captioner.files.require(sha256)
    return captioner


def _read(path: Path) -> Image.Image | Failure:
    try:
        return decode_rgb(path.read_bytes())
    except (ImageRefused, OSError) as error:
        return Failure(str(error))


def tidy(text: str) -> str:
    """A caption on one line without the model's opening words, with a capital letter."""
    line = " ".join(text.split())
    rest = PREFIX.sub("", line)
    return rest[:1].upper() + rest[1:]
