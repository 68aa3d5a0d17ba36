"""The model card, as the Hugging Face Hub reads it: every number with the run that it is of."""

import json
import re
from string import Template
from typing import Any

from .gallery import cell
from .gate import in_words
from .measures import NOT_MEASURED
from .tables import NAMES, facts_of, value_of

CARD = Template("""\
---
library_name: diffusers
pipeline_tag: text-to-image
$licence
tags:
- text-to-image
- diffusion
- onnx
---

# $run

Text to image by latent diffusion, $height x $width pixels (height x width). Made by `t2i`: the ONNX graphs are what its
SDK runs, the safetensors what diffusers loads.

## Measured

DDIM, $steps steps, guidance $guidance, on $device. Model `$model`.

| What | Value | Of what | Run |
| --- | --- | --- | --- |
$rows

FID and KID are in the features of CLIP, and are not to be compared with values in those of Inception.

$gate

## Training

Validation losses may be compared where the validation record agrees: `$validation`.

## Limits

It draws what its training images show; other prompts give the nearest that it knows. Nobody has looked for bias in the
images or captions.

## Licence

$terms
""")
NOT_STATED = "not stated"
TERMS = "The licence of the weights follows from those of the data and of the frozen networks"
# Those of https://huggingface.co/docs/hub/repositories-licenses that suit weights; the Hub takes any other by its name.
HUB_LICENCES = (
    "agpl-3.0", "apache-2.0", "bigscience-openrail-m", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0", "cc-by-sa-4.0", "cc0-1.0", "creativeml-openrail-m", "gpl-3.0", "mit", "openrail", "openrail++",
    "unlicense",
)  # fmt: skip


def model_card(report: dict[str, Any]) -> str:
    """The card of a report."""
    run, loss = report["run"], report["run"]["best_val_diffuser_loss"]
    name = f"`{run['run_name']}` ({run['config_hash'][:12]})"
    rows = [
        f"| {NAMES[what]} | {value_of(measured)} | {cell(facts_of(measured))} | {name} |"
        for what, measured in report["measured"].items()
    ]
    value = NOT_MEASURED if loss is None else f"{loss:.6g}"
    rows.append(f"| Validation loss | {value} | step {run['best_step']} | {name} |")
    height, width = report["image_size"]
    return CARD.substitute(
        run=cell(run["run_name"]),
        height=height,
        width=width,
        steps=report["sampler"]["steps"],
        guidance=f"{report['sampler']['guidance_scale']:g}",
        device=report["device"],
        model=report["model_sha256"][:12],
        rows="\n".join(rows),
        gate=cell(in_words(report["gate"])),
        validation=run["validation"].get("validation_set", "not recorded"),
        licence=_header(report["licence"]),
        terms=_terms(report["licence"]),
    )


def _header(licence: str) -> str:
    """The lines of the card's header."""
    if licence.lower() in HUB_LICENCES:
        return f"license: {licence.lower()}"
    return f"license: other\nlicense_name: {json.dumps(re.sub('[^a-z0-9.+]+', '-', licence.lower()).strip('-'))}"


def _terms(licence: str) -> str:
    if licence == NOT_STATED:
        return f"{TERMS}, which this card does not know: state it in `export.licence` before you publish."
    return f"{cell(licence)}, as `export.licence` of the project states. {TERMS}."
