"""The evaluation of a project's promoted model: samples, scores, and the reports that say what they are of."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler
from transformers import CLIPTokenizer

from ..data.pretrained import default_device
from ..files import json_sha256, read_json, without_nan, write_atomically, write_json
from ..networks.autoencoder import compression_factor
from ..networks.denoiser import latent_size
from ..networks.model_folder import check_model_folder, load_promoted, model_hashes
from ..sections import described
from ..stage import Issue, StageError
from .card import model_card
from .clip import Clip
from .curves import read_losses
from .gallery import write_gallery
from .gate import GateOptions, judge_report
from .measures import Drawing, measure_clip_score, measure_distances, measure_judge, measure_variety
from .page import html_page
from .prompts import gallery_prompts
from .sampling import Run

# Of the record of a run: without them a number would be of nobody knows what.
IDENTITY = ("run_name", "config_hash", "validation", "best_val_diffuser_loss", "best_step")


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What is drawn and measured."""

    image_size: tuple[int, int] = dataclasses.field(
        metadata=described("height and width, pixels, of a model that does not say its own")
    )
    steps: int = dataclasses.field(default=50, metadata=described("denoising steps of an image, 1 to 1000"))
    guidance_scale: float = dataclasses.field(default=7.5, metadata=described("classifier-free guidance, 0 to 100"))
    seeds: int = dataclasses.field(default=4, metadata=described("images of each prompt, 1 to 100"))
    clip_model: str | None = dataclasses.field(default=None, metadata=described("CLIP: a folder or a name on the Hub"))
    fid_images: int = dataclasses.field(default=0, metadata=described("images for FID and KID, 2 or more; 0: none"))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a report is compared with: see `judge_report`."""

    options: GateOptions
    before: dict[str, Any] | None = None
    kept: dict[str, Any] | None = None
    accept: str | None = None


def evaluate_project(
    options: EvaluateOptions,
    project: Path,
    saved: Path,
    data: Path,
    licence: str,
    comparison: Comparison,
) -> dict[str, Any]:
    """Draws with the model in `saved`, measures it, and writes `samples/` and `reports/evaluation.json` and `.html` of
    the project, and the model card in `saved`. `data`: the project's images and captions; `licence`: what the card
    states. Returns the report, which is not refused: what it says under `gate` is the caller's to act on.

    Raises StageError for a folder, record, prompts, CLIP or data that cannot be used; the reports are written last.
    """
    source = saved / "diffuser"
    check_model_folder(source)
    record, prompts = _record(saved / "model_metadata.json"), gallery_prompts(project)
    device, hashes = default_device(), model_hashes(source)
    clip = Clip(options.clip_model, project, device) if options.clip_model else None
    text, unet, vae = (module.to(device) for module in load_promoted(source, options.image_size))
    height, width = (side * compression_factor(vae) for side in latent_size(unet))
    scheduler = DDIMScheduler.from_pretrained(source / "scheduler")
    tokenizer = CLIPTokenizer.from_pretrained(source / "tokenizer")
    drawing = Drawing(Run(tokenizer, text, unet, vae, scheduler, device), options.steps, options.guidance_scale)

    each = [(prompt, seed) for prompt in prompts for seed in range(options.seeds)]
    drawn = drawing.draw("samples", [prompt for prompt, _ in each], [seed for _, seed in each])
    groups = drawn.reshape(len(prompts), options.seeds, *drawn.shape[1:])
    measured = {
        "clip_score": measure_clip_score(drawing, clip, options.seeds),
        **measure_distances(drawing, clip, data, options.fid_images),
        "judge": measure_judge(groups, prompts, clip),
        "variety": measure_variety(groups),
    }
    caption = f"DDIM, {options.steps} steps, guidance {options.guidance_scale:g}, seed 0."
    report: dict[str, Any] = {
        "formatVersion": 1,
        "run": record,
        "model": hashes,
        "model_sha256": json_sha256(hashes),
        "config_sha256": json_sha256({**dataclasses.asdict(options), "prompts": prompts}),
        "validation_set": record["validation"].get("validation_set", "not recorded"),
        "sampler": {"name": "ddim", "steps": options.steps, "guidance_scale": options.guidance_scale},
        "image_size": [height, width],
        "licence": licence,
        "device": device,
        "torch": torch.__version__,
        "measured": measured,
        "gallery": write_gallery(project / "samples", prompts, groups[:, 0], caption),
    }
    report["gate"] = judge_report(report, comparison.options, comparison.before, comparison.kept, comparison.accept)
    page = html_page(report, project / "samples", read_losses(project / "runs" / record["run_name"] / "metrics.jsonl"))
    card = model_card(report)
    for path, content in ((project / "reports" / "evaluation.html", page), (saved / "README.md", card)):
        write_atomically(path, partial(Path.write_text, data=content, encoding="utf-8"))
    write_json(project / "reports" / "evaluation.json", without_nan(report))
    return report


def _record(file: Path) -> dict[str, Any]:
    try:
        record = read_json(file)
        missing = [name for name in IDENTITY if name not in record]
    except FileNotFoundError:
        missing = ["the file"]
    except (ValueError, TypeError):
        missing = ["a JSON object"]
    if missing:
        issues = tuple(Issue(str(file), name, "none") for name in missing)
        message = f"{file} does not say which run the model is of: it lacks {', '.join(missing)}"
        raise StageError("DATA_INVALID", message, "Promote a finished run: t2i promote", issues)
    return record
