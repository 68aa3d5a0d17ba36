"""The same thing in several styles: shaded (WebP images), flat and cartoon (SVG icon sets), all npm packages."""

import io
import json
from functools import cache
from pathlib import Path

import resvg_py
from PIL import Image

# What a caption may say of the style; the first is the one that goes without saying.
STYLES = {
    "shaded": ("", "", "", "", "", ", 3d style"),
    "flat": (", flat style", ", flat style", " in flat style"),
    "cartoon": (", cartoon style", ", cartoon style", " in cartoon style"),
}
ICON_SETS = {"flat": "@iconify-json/fluent-emoji-flat", "cartoon": "@iconify-json/noto"}
SHADED = "@lobehub/fluent-emoji-3d/assets"
SIDE = 256


class PictureBook:
    """Images by code point and style from the unpacked npm packages below `modules` (its node_modules)."""

    def __init__(self, modules: Path):
        self.modules = modules
        self.shaded = {path.stem.lower().replace("-fe0f", ""): path for path in (modules / SHADED).glob("*.webp")}
        self._icon_set = cache(self._read_icon_set)

    def has(self, code: str, style: str) -> bool:
        return code in self.shaded if style == "shaded" else self._icon_set(style).get(code) is not None

    def open(self, code: str, style: str) -> Image.Image:
        """RGBA; icons are drawn at 256 x 256."""
        if style == "shaded":
            with Image.open(self.shaded[code]) as image:
                return image.convert("RGBA")
        png = resvg_py.svg_to_bytes(svg_string=self._icon_set(style)[code], width=SIDE, height=SIDE)
        return Image.open(io.BytesIO(bytes(png))).convert("RGBA")

    def _read_icon_set(self, style: str) -> dict[str, str]:
        """SVG by code point."""
        folder = self.modules / ICON_SETS[style]
        icons = json.loads((folder / "icons.json").read_text())
        names = json.loads((folder / "chars.json").read_text())
        box = f"0 0 {icons.get('width', 16)} {icons.get('height', 16)}"
        head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}">'
        return {
            code.lower().replace("-fe0f", ""): f"{head}{icons['icons'][name]['body']}</svg>"
            for code, name in names.items()
            if name in icons["icons"]
        }
