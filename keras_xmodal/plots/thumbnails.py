"""Examples of any modality as pictures of one small size."""

import pathlib
import textwrap

import numpy as np

_FONT_SIZE = 9  # pixels


def to_thumbnail(cell, side):
    """Draw what `to_cells` makes as a square, uint8 `(side, side, 3)`."""
    return np.asarray(_draw(cell, side))


def _draw(cell, side):
    # Slow to import, and needed by this function alone.
    from PIL import Image

    if isinstance(cell, str):
        return _write(cell, side)
    box = Image.Resampling.BOX
    if cell.ndim == 2:
        from matplotlib import colormaps

        colors = Image.fromarray(np.uint8(255 * colormaps["viridis"](cell)))
        return colors.convert("RGB").resize((side, side), box)
    pixels = np.rint(255 * cell).astype("uint8")
    picture = Image.fromarray(
        pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
    )
    scale = side / max(picture.size)
    size = [max(1, round(length * scale)) for length in picture.size]
    picture = picture.convert("RGBA").resize(size, box)
    square = Image.new("RGBA", (side, side), "white")
    corner = [(side - length) // 2 for length in size]
    square.alpha_composite(picture, tuple(corner))
    return square.convert("RGB")


def _write(text, side):
    """Draw a text in the font that Matplotlib brings."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    fonts = pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf")
    font = ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), _FONT_SIZE)
    square = Image.new("RGB", (side, side), "white")
    width = max(1, 2 * side // 11)
    lines = textwrap.wrap(text, width)[: max(1, side // (_FONT_SIZE + 2))]
    ImageDraw.Draw(square).multiline_text(
        (side / 2, side / 2),
        "\n".join(lines),
        fill="black",
        font=font,
        anchor="mm",
        align="center",
        spacing=1,
    )
    return square
