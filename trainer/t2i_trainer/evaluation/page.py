"""The report as one HTML page that needs no network and no script: pictures and curves are in it."""

import base64
import html
import json
from pathlib import Path
from string import Template
from typing import Any

from .curves import SERIES, loss_curves
from .gate import in_words
from .tables import NAMES, facts_of, value_of

PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5c5c66; --line: #d9d9e0; --train: #0b62c4; --val: #b3400a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececf1; --soft: #a5a5b0; --line: #3c3c46; --train: #7db7ff; --val: #ffa36b; }
  body { background: #17171b; }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); }
h1, h2 { line-height: 1.2; text-wrap: balance; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
figure { margin: 0; }
img { width: 100%; border-radius: .4rem; }
figcaption, .note, td + td + td { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
svg { width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); }
.grid { stroke: var(--line); }
polyline { fill: none; stroke-width: 2; }
.training { stroke: var(--train); fill: none; stroke-dasharray: 6 3; }
.validation { stroke: var(--val); fill: none; }
circle { stroke-dasharray: none !important; }
[role=alert] { border: 2px solid var(--val); padding: .5rem .75rem; }
pre { overflow-x: auto; font-size: .8125rem; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p class="note">$settings</p>
<section class="gallery">
$gallery
</section>
<h2>Measured</h2>
<div class="wide"><table>
<thead><tr><th scope="col">What</th><th scope="col">Value</th><th scope="col">Of what</th></tr></thead>
<tbody>
$rows
</tbody></table></div>
<p$failed>$gate</p>
<h2>Loss</h2>
$curves
<h2>Record of the run</h2>
<pre>$record</pre>
</main>
</body>
</html>
""")


def html_page(report: dict[str, Any], samples: Path, losses: dict[str, list[tuple[int, float]]]) -> str:
    """The page of a report; `samples` is the folder that has its images."""
    sampler = report["sampler"]
    settings = (
        f"DDIM, {sampler['steps']} steps, guidance {sampler['guidance_scale']:g}, seed 0, "
        f"{report['image_size'][1]} x {report['image_size'][0]} px. Model {report['model_sha256'][:12]}."
    )
    figures = [
        f'<figure><img alt="{html.escape(sample["prompt"])}" src="{_data_uri(samples / sample["file"])}">'
        f"<figcaption>{html.escape(sample['prompt'])}</figcaption></figure>"
        for sample in report["gallery"]
    ]
    rows = [
        f'<tr><th scope="row">{NAMES[name]}</th><td>{html.escape(value_of(measured))}</td>'
        f"<td>{html.escape(facts_of(measured))}</td></tr>"
        for name, measured in report["measured"].items()
    ]
    legend = ", ".join(f"{SERIES[name]}: {'dashed' if 'train' in name else 'solid'}" for name in losses)
    curves = f'{loss_curves(losses)}<p class="note">Loss by step; {legend}.</p>' if losses else "<p>Not recorded.</p>"
    return PAGE.substitute(
        title=html.escape(f"Evaluation of {report['run']['run_name']}"),
        settings=html.escape(settings),
        gallery="\n".join(figures),
        rows="\n".join(rows),
        curves=curves,
        failed=' role="alert"' if report["gate"]["verdict"] == "failed" else "",
        gate=html.escape(in_words(report["gate"])),
        record=html.escape(json.dumps(report["run"], indent=1, ensure_ascii=False)),
    )


def _data_uri(image: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"
