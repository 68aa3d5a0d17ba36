"""Makes the default model, or goes on making it: runs the stages of t2i_trainer/recipe.py that are not done.

    python trainer/default_model.py --run runs/emoji-128 --until denoiser

Stop it at any time; the same command resumes. On an H200 the autoencoder takes two minutes and the denoiser five; with
--device cpu the two take ten hours and more on two cores.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from t2i_trainer.emoji.recipe import recipe

HERE = Path(__file__).parent


def make(run: Path, packages: Path, out: Path, device: str, until: str) -> int:
    """Runs what is not done, up to and with the stage `until`; returns the exit code of the first that fails, or 0."""
    for stage in recipe(run, packages, out, device):
        if stage.result and stage.result.exists():
            print(f"{stage.name}: done", file=sys.stderr, flush=True)
        else:
            print(f"{stage.name}: {' '.join(stage.command)}", file=sys.stderr, flush=True)
            code = subprocess.run([sys.executable, HERE / stage.command[0], *stage.command[1:]]).returncode
            if code != 0:
                return code
        if stage.name == until:
            break
    return 0


def main() -> int:
    names = [stage.name for stage in recipe(Path(), Path(), Path("model"))]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/emoji-128"))
    parser.add_argument("--packages", type=Path, default=Path("runs/packages"))
    parser.add_argument("--out", type=Path, default=Path("models/emoji-128"))
    parser.add_argument("--device", default="cuda", help="cpu, cuda or cuda:N, for the two networks that take long")
    parser.add_argument("--until", choices=names, default=names[-1])
    return make(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
