"""Presets of a model: named numbers of steps beside the default, as `--preset fast=6`."""

import argparse


class _Add(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: str, _: str | None = None
    ):
        name, _, steps = value.partition("=")
        if not name or not steps.isdigit() or int(steps) == 0:
            parser.error(f"--preset: expected NAME=STEPS, for example fast=6, received {value}")
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: int(steps)})


def add_preset_flag(parser: argparse.ArgumentParser) -> None:
    """--preset NAME=STEPS, any number of times, as `presets`: steps by name."""
    parser.add_argument("--preset", dest="presets", metavar="NAME=STEPS", action=_Add, default={})
