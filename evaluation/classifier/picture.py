"""The confusion matrix as a picture, drawn with Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from atomic_files import write_bytes
from evaluation.errors import SpecError

_CELL = 46
_BLUE = (8, 64, 129)


def draw_confusion(counts: Sequence[Sequence[int]], class_names: Sequence[str]) -> Image.Image:
    """Draw one row per true class and one column per predicted class, darker for a larger share of the row (RGB).

    Args:
        counts: C rows of C counts; ``counts[true][predicted]``.
        class_names: C names.

    Raises:
        SpecError: the counts are not C x C.
    """
    classes = len(class_names)
    if len(counts) != classes or any(len(row) != classes for row in counts):
        raise SpecError(f"counts must be {classes} x {classes}; got {[len(row) for row in counts]}")
    font = ImageFont.load_default(13)
    left = 16 + int(max(font.getlength(name) for name in [*class_names, "true"]))
    top = left + 20
    picture = Image.new("RGB", (left + classes * _CELL + 12, top + classes * _CELL + 12), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((left + classes * _CELL // 2, 4), "predicted", font=font, fill="black", anchor="ma")
    draw.text((left - 8, top - 8), "true", font=font, fill="black", anchor="rb")
    for true, name in enumerate(class_names):
        y = top + true * _CELL
        draw.text((left - 8, y + _CELL // 2), name, font=font, fill="black", anchor="rm")
        _paste_upright(picture, name, font, left + true * _CELL + _CELL // 2, top - 6)
        total = max(1, sum(counts[true]))
        for predicted, count in enumerate(counts[true]):
            _draw_cell(draw, font, (left + predicted * _CELL, y), count, count / total)
    return picture


def write_confusion_png(path: Path | str, counts: Sequence[Sequence[int]], class_names: Sequence[str]) -> None:
    """Write :func:`draw_confusion` as a PNG file, atomically."""
    buffer = io.BytesIO()
    draw_confusion(counts, class_names).save(buffer, format="PNG")
    write_bytes(Path(path), buffer.getvalue())


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _draw_cell(draw: ImageDraw.ImageDraw, font: _Font, corner: tuple[int, int], count: int, share: float) -> None:
    x, y = corner
    red, green, blue = (round(255 + (channel - 255) * share) for channel in _BLUE)
    draw.rectangle((x, y, x + _CELL - 1, y + _CELL - 1), fill=(red, green, blue), outline=(220, 220, 220))
    ink = "white" if share > 0.5 else "black"
    draw.text((x + _CELL // 2, y + _CELL // 2), str(count), font=font, fill=ink, anchor="mm")


def _paste_upright(picture: Image.Image, text: str, font: _Font, centre: int, bottom: int) -> None:
    label = Image.new("RGB", (int(font.getlength(text)) + 2, 18), "white")
    ImageDraw.Draw(label).text((1, 1), text, font=font, fill="black")
    label = label.rotate(90, expand=True)
    picture.paste(label, (centre - label.width // 2, bottom - label.height))
