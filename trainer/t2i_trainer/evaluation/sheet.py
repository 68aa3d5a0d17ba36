"""Contact sheets: prompts down, seeds across, in one image that people can look at."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 8


def contact_sheet(rows: list[tuple[str, np.ndarray]], columns: int = 2) -> Image.Image:
    """`rows` holds a prompt with its images, uint8 [n, s, s, 3], the same n in each; the sheet sets them in so many
    columns with the prompt above."""
    seeds, side = rows[0][1].shape[0], rows[0][1].shape[1]
    font = ImageFont.load_default(13)
    cell_width, cell_height = seeds * side + MARGIN, side + 20 + MARGIN
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * cell_width + MARGIN, lines * cell_height + MARGIN), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for index, (prompt, images) in enumerate(rows):
        left, top = MARGIN + index % columns * cell_width, MARGIN + index // columns * cell_height
        pen.text((left, top), prompt, fill=(30, 30, 30), font=font)
        sheet.paste(Image.fromarray(np.concatenate(list(images), axis=1)), (left, top + 20))
    return sheet
