"""演示图片: what people would photograph, drawn for the demo and painted anew as every upload is."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from images import Repainted, repaint

WIDTH, HEIGHT = 720, 480


def error_page(order_no: str) -> Repainted:
    """A buyer's screenshot: the code is refused."""
    return _painted(_page("ERROR: this code was already redeemed", "#c0392b", f"order {order_no}", "error code E-1003"))


def supplier_record(order_no: str) -> Repainted:
    """A shop's paper: what its supplier says of a code."""
    return _painted(_page("Redemption record", "#1456a0", f"order {order_no}", "redeemed once, after delivery"))


def score_board(percent: int) -> Repainted:
    """A booster's screenshot: how far the work is."""
    picture = _page("Season ranking", "#1f6f43", "Gold to Platinum", f"progress {percent} %")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((80, 300, 640, 330), outline="#d0d4da", width=2)
    draw.rectangle((82, 302, 82 + 556 * percent // 100, 328), fill="#1f6f43")
    return _painted(picture)


def _page(title: str, color: str, *lines: str) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), "#f4f5f7")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((40, 40, WIDTH - 40, HEIGHT - 40), fill="white", outline="#d0d4da", width=2)
    draw.text((80, 90), title, fill=color, font_size=28)
    for number, line in enumerate(lines):
        draw.text((80, 160 + 50 * number), line, fill="#333333", font_size=24)
    return picture


def _painted(picture: Image.Image) -> Repainted:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return repaint(buffer.getvalue())
