"""Presets of a model: named numbers of steps beside the default, as `--preset fast=6`."""

import argparse


def preset_steps(text: str) -> tuple[str, int]:
    """`fast=6` as a pair."""
    name, _, steps = text.partition("=")
    if not name or not steps.isdigit() or int(steps) == 0:
        raise argparse.ArgumentTypeError(f"expected NAME=STEPS, for example fast=6, received {text}")
    return name, int(steps)
