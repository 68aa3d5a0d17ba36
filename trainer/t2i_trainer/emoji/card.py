"""The model card of the default model, from what its run recorded; a number that nobody measured is called so."""

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

from ..command_line import required
from ..files import read_json, write_atomically
from .recipe import recipe

MISSING = "not measured"
CARD = Template("""\
# $name

The default model of @t2i/sdk: $size x $size pixels, drawings of $concept_count things on named backgrounds, in many
colours, sizes, counts, places and pairs, flowers first. Trained by `trainer/` of the same repository with the commands
below.

$sheet

## What it knows

$concepts.

Prompts read like `a red apple on a blue background`, `two cats on a grassy meadow` or
`a purple tulip with water droplets on its petals`. Nothing else is refused, but the nearest known thing comes out. It
draws no scenes of more than two different things, no people and no text, and no photographs.

## Measured

$measured

## Training

| part | what | result |
|---|---|---|
| denoiser | $parameters parameters, $prediction, $steps steps of $batch | validation loss $val_loss |
| autoencoder | $vae_steps steps of $vae_batch | $psnr dB, gradient energy $gradient_energy of the drawings' |
| text encoder | $text_layers layers of $text_width, $text_steps steps of $text_batch | contrastive loss $text_loss |
| sketch | with the text encoder | mean squared error $sketch_error of a variance of $sketch_variance |

torch $torch, $device, $precision. The loss over the run is in `training.jsonl`.$notes

```bash
$commands
```

`python trainer/default_model.py` runs those that are not done.

## Data and licences

$count composed images, fingerprint `$fingerprint`.

$sources

The weights are under Apache-2.0, as the code.
""")
TABLE = Template("""\
Share of images in which a judge sees what was asked for ($sampler, $steps steps, guidance $guidance). The judge is a
classifier trained apart, on composed images alone; of $test_images that it had not seen it names
$accuracy right.

| suite | images | thing | background | colour, when asked | count, when asked | second thing, when asked |
|---|---|---|---|---|---|---|
$rows

A combination is held out of captions of its own kind alone: a thing that never had a colour in captions about colours
may have had it in one about counts, sizes or pairs, so the second row says less about what is new than its name does.

Variety, the distance between images of one caption over that of the data's: $pixels in pixels, $features in the judge's
features. Sharpness, gradient energy over the data's: $sharp.""")
# Files of the run that stand beside the card, and their names there.
EVIDENCE = {
    "evaluation.json": "evaluation.json",
    "contact-sheet.jpg": "contact-sheet.jpg",
    "metrics.jsonl": "training.jsonl",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CardOptions:
    """What the card is written from."""

    run: Path = required("run folder; notes.md in it says what no other file records")
    data: Path = required("folder of data.py that was trained on")
    out: Path = required("model directory")


def write_card(options: CardOptions) -> str:
    """Writes README.md, copies the evidence and returns the card's text."""
    run, data, out = options.run, options.data, options.out
    trained, record = read_json(run / "options.json"), read_json(data / "data.json")
    vae, text = (read_json(run / part / "training.json") for part in ("vae", "text_encoder"))
    evaluation = read_json(run / "evaluation.json") if (run / "evaluation.json").exists() else None
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = metrics[-1] if metrics else {}
    concepts = sorted(concept["name"] for concept in read_json(data / "concepts.json"))
    sources = record["sources"].items()
    card = CARD.substitute(
        trained,
        name=out.name,
        size=record["size"],
        count=record["count"],
        fingerprint=record["fingerprint"],
        concept_count=len(concepts),
        concepts=", ".join(concepts),
        sheet="![Prompts with several seeds each](contact-sheet.jpg)" if evaluation else f"Contact sheet: {MISSING}.",
        measured=judged(evaluation),
        parameters=f"{trained['parameters']:,}",
        steps=f"{last.get('step', 0):,}",
        val_loss=number(last.get("val_loss")),
        commands=commands(out.name),
        gradient_energy=number(vae.get("gradient_energy")),
        vae_steps=vae["steps"],
        vae_batch=vae["batch"],
        psnr=number(vae.get("psnr_db")),
        text_layers=text["layers"],
        text_width=text["width"],
        text_steps=text["steps"],
        text_batch=text["batch"],
        text_loss=number(text.get("contrastive_loss")),
        sketch_error=number(text.get("sketch_error")),
        sketch_variance=number(text.get("sketch_variance")),
        notes=" " + notes.read_text().strip() if (notes := run / "notes.md").exists() else "",
        sources="\n".join(f"- `{name}` {s['version']}, {s['licence']}: {s['use']}" for name, s in sources),
    )
    write_atomically(out / "README.md", lambda path: path.write_text(card))
    for source, name in EVIDENCE.items():
        if (run / source).exists():
            write_atomically(out / name, partial(shutil.copyfile, run / source))
    return card


def commands(name: str) -> str:
    """The recipe as one types it at the top of the repository."""
    stages = recipe(Path("runs") / name, Path("runs/packages"), Path("models") / name)
    return "\n".join(f"python trainer/{' '.join(stage.command)}" for stage in stages)


def judged(evaluation: dict[str, Any] | None) -> str:
    """The judge's table, with the judge's own accuracy, since no number of it can be better than that."""
    if evaluation is None:
        return f"The judge's table: {MISSING}."
    judge = evaluation["judge"]
    columns = ("concept_top1", "background", "colour_when_asked", "count_when_asked", "second_when_asked")
    rows = []
    for suite, scores in evaluation["suites"].items():
        cells = " | ".join(number(scores.get(column), "-") for column in columns)
        rows.append(f"| {suite} | {scores['images']} | {cells} |")
    questions = {"concept": "thing", "second": "second thing", "background": "background", "colour": "colour"}
    accuracy = ", ".join(
        f"the {words} of {number(judge[f'test_{question}_accuracy'])}"
        for question, words in {**questions, "count": "count"}.items()
    )
    return TABLE.substitute(
        evaluation,
        test_images=judge["test_images"],
        accuracy=accuracy,
        rows="\n".join(rows),
        pixels=number(evaluation["variety_in_pixels"]),
        features=number(evaluation["variety_in_features"]),
        sharp=number(evaluation["sharpness"]),
    )


def number(value: float | None, missing: str = MISSING) -> str:
    return missing if value is None else f"{value:.3g}"
