"""Where things stand: centres and sides, as fractions of the image's side, with a little chance in each."""

from random import Random

Spot = tuple[float, float, float]
"""x and y of a centre, and the side."""

# Several ways to set out so many things, and how large each may be.
COUNT_LAYOUTS: dict[int, tuple[tuple[tuple[float, float], ...], ...]] = {
    2: (
        ((0.27, 0.5), (0.73, 0.5)),
        ((0.5, 0.27), (0.5, 0.73)),
        ((0.3, 0.3), (0.7, 0.7)),
        ((0.7, 0.3), (0.3, 0.7)),
    ),
    3: (((0.5, 0.28), (0.27, 0.72), (0.73, 0.72)), ((0.27, 0.28), (0.73, 0.28), (0.5, 0.72))),
    4: (
        ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)),
        ((0.5, 0.22), (0.22, 0.5), (0.78, 0.5), (0.5, 0.78)),
    ),
    5: (
        ((0.23, 0.23), (0.77, 0.23), (0.5, 0.5), (0.23, 0.77), (0.77, 0.77)),
        ((0.32, 0.3), (0.68, 0.3), (0.19, 0.7), (0.5, 0.7), (0.81, 0.7)),
    ),
}
COUNT_SIDES = {2: (0.38, 0.48), 3: (0.35, 0.44), 4: (0.33, 0.41), 5: (0.27, 0.33)}
POSITIONS = {
    "on the left": (0.26, 0.5),
    "on the right": (0.74, 0.5),
    "at the top": (0.5, 0.26),
    "at the bottom": (0.5, 0.74),
}
PAIRS = {
    "beside": ((0.27, 0.5), (0.73, 0.5)),
    "above": ((0.5, 0.27), (0.5, 0.73)),
}


class Layouts:
    """Draws spots. `jitter` is how far a single thing strays from its place, as a fraction of the side."""

    def __init__(self, random: Random, jitter: float):
        self.random, self.jitter = random, jitter

    def single(self, smallest: float, largest: float) -> Spot:
        """One thing near the middle, the whole of it inside."""
        side = self.random.uniform(smallest, largest)
        most = min(self.jitter, max(0.01, (1 - side) / 2 + 0.01))
        return (*self._stray(0.5, 0.5, most), side)

    def position(self, words: str) -> Spot:
        """One thing where the words of POSITIONS say."""
        return (*self._stray(*POSITIONS[words], self.jitter / 2), self.random.uniform(0.36, 0.5))

    def several(self, count: int) -> list[Spot]:
        """`count` things of one size."""
        layout, side = self.random.choice(COUNT_LAYOUTS[count]), self.random.uniform(*COUNT_SIDES[count])
        return [(*self._stray(x, y, self.jitter * 0.4), side) for x, y in layout]

    def pair(self, relation: str) -> list[Spot]:
        """Two things, the first one left of the second or above it (a key of PAIRS)."""
        return [(*self._stray(x, y, self.jitter * 0.4), self.random.uniform(0.38, 0.49)) for x, y in PAIRS[relation]]

    def field(self, horizon: float) -> list[Spot]:
        """Rows that grow from the horizon to the viewer."""
        spots: list[Spot] = []
        for row in range(4):
            depth = row / 3
            side = 0.15 + 0.17 * depth
            y, step = horizon + 0.06 + (0.9 - horizon) * depth, side * 0.78
            x = self.random.uniform(-step / 2, step / 2)
            while x < 1 + side / 2:
                spots.append((*self._stray(x, y, 0.012), side))
                x += step
        return spots

    def _stray(self, x: float, y: float, most: float) -> tuple[float, float]:
        return x + self.random.uniform(-most, most), y + self.random.uniform(-most, most)
