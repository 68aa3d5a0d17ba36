"""How the default model is made: its stages, each a command of this folder, in order. The card prints them, and
default_model.py runs them."""

from dataclasses import dataclass
from pathlib import Path

FAST = "fast=6"
STYLES = ("shaded=76", "flat=12", "cartoon=12")


@dataclass(frozen=True)
class Stage:
    """A command, and the file that is there when it has been run to its end; None where it is quick and an older model
    may lie in its place."""

    name: str
    command: tuple[str, ...]
    """Script of this folder and its arguments."""
    result: Path | None


def recipe(run: Path, packages: Path, out: Path, device: str = "cuda") -> list[Stage]:
    """The stages for a run folder, the folder of source packages and the model directory that is published. `device`
    trains the two networks that take long; the others do with a processor."""
    gpu = {"device": device, "cuda_graphs": True, "workers": 12} if device != "cpu" else {}

    def stage(name: str, result: Path | None, script: str, /, **options: object) -> Stage:
        arguments: list[str] = []
        for option, value in options.items():
            arguments.append(f"--{option.replace('_', '-')}")
            values = value if isinstance(value, (tuple, list)) else () if value is True else (value,)
            arguments += [str(one) for one in values]
        return Stage(name, (script, *arguments), result)

    def data(name: str, **options: object) -> Stage:
        folder = run / name
        return stage(name, folder / "data.json", "data.py", out=folder, packages=packages, styles=STYLES, **options)

    def judge(name: str, **options: object) -> Stage:
        folder, sets = run / name, {"data": run / "data", "test": run / "val"}
        return stage(name, folder / "judge.json", "train_judge.py", **sets, out=folder, precision="bf16", **options)

    sets = {"data": run / "data", "val": run / "val"}
    return [
        data("data", count=250_000),
        data("val", count=1_000, seed=1),
        data("held-out", count=1_000, seed=2, held_out=True),
        stage(
            "autoencoder", run / "held-out" / "latents.npy", "train_vae.py", **sets, also_encode=run / "held-out",
            out=run / "vae", steps=6_000, batch=128, lr=0.0015, precision="bf16", **gpu,
        ),
        stage(
            "text", run / "text" / "text_encoder" / "training.json", "train_text.py", data=run / "data",
            packages=packages, out=run / "text", steps=3_000, precision="bf16",
        ),
        stage(
            "denoiser", run / "trained.json", "train.py", **sets, text=run / "text", out=run, steps=8_000, batch=512,
            lr=0.0012, decay=0.25, single_steps=2_500, checkpoint_every=2_000, precision="bf16", **gpu,
        ),
        judge("final-judge", body="residual", seed=1, steps=9_000),
        stage(
            "evaluation", run / "evaluation.json", "evaluate.py", run=run, data=run / "data",
            held_out=run / "held-out", judge=run / "final-judge", guidance=3, preset=FAST,
        ),
        stage("export", None, "export.py", run=run, out=out, name=out.name, guidance_scale=3, preset=FAST),
        stage("card", None, "card.py", run=run, data=run / "data", out=out),
    ]  # fmt: skip
