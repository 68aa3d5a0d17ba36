"""The model card, as the Hugging Face Hub reads it: every number with the run that it is of."""

from string import Template
from typing import Any

from .gallery import cell
from .measures import NOT_MEASURED
from .tables import NAMES, facts_of, value_of

CARD = Template("""\
---
library_name: diffusers
pipeline_tag: text-to-image
license: other
license_name: not-stated
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

## Training

Validation losses may be compared where the validation record agrees: `$validation`.

## Limits

It draws what its training images show; other prompts give the nearest that it knows. Nobody has looked for bias in the
images or captions. The licence of the weights follows from those of the data and of the frozen networks, which this
card does not know: state it before you publish.
""")


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
        validation=run["validation"].get("validation_set", "not recorded"),
    )
