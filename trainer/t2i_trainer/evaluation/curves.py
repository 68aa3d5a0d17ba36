"""Loss curves as an SVG that needs nothing else: lines differ by their dashes too, not by colour alone."""

import html
from pathlib import Path

from ..files import read_json_lines

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 260, 64, 36, 12, 12
SERIES = {"train_diffuser_loss": "training", "val_diffuser_loss": "validation"}
TICKS = 4


def read_losses(metrics: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and loss by the name of the series, of a run's `metrics.jsonl`; a line that is damaged is left out."""
    losses: dict[str, list[tuple[int, float]]] = {name: [] for name in SERIES}
    for figures in read_json_lines(metrics):
        for name, points in losses.items():
            if figures.get(name) is not None:
                points.append((figures["step"], figures[name]))
    return {name: points for name, points in losses.items() if points}


def loss_curves(losses: dict[str, list[tuple[int, float]]]) -> str:
    """The SVG of at least one series, with a description for those who do not see it."""
    points = [point for series in losses.values() for point in series]
    steps, values = [step for step, _ in points], [value for _, value in points]
    first, last, lowest, highest = min(steps), max(steps), min(values), max(values)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (step - first) / max(1, last - first)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - lowest) / ((highest - lowest) or 1))

    title = "; ".join(
        f"{SERIES[name]} loss {series[-1][1]:.4g} at step {series[-1][0]}" for name, series in losses.items()
    )
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{html.escape(title)}</title>']
    for tick in range(TICKS + 1):
        value = lowest + (highest - lowest) * tick / TICKS
        parts.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    # Whole steps: those of a short run are fewer than the ticks.
    for step in sorted({round(first + (last - first) * tick / TICKS) for tick in range(TICKS + 1)}):
        anchor = "end" if step == last > first else "middle"
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - 14}" text-anchor="{anchor}">{step}</text>')
    for name, series in losses.items():
        line = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in series)
        parts.append(f'<polyline class="{SERIES[name]}" points="{line}"/>')
        parts += [
            f'<circle class="{SERIES[name]}" cx="{x(step):.1f}" cy="{y(value):.1f}" r="2"/>' for step, value in series
        ]
    return "".join([*parts, "</svg>"])
