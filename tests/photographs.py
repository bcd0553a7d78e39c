"""Pictures as honest people send them, drawn by chance and always the same: screenshots, and photographs of screens."""

from __future__ import annotations

import io
import random
import string

from PIL import Image, ImageDraw, ImageEnhance

SCREENS = [(360, 780), (720, 1280), (1080, 2340), (640, 480)]
FORMATS = ["JPEG", "PNG", "WEBP"]


def screenshot(seed: int) -> Image.Image:
    """A page of an app: a bar, lines of text, some buttons and boxes."""
    chance = random.Random(seed)
    width, height = chance.choice(SCREENS)
    ground, ink = chance.choice([("#ffffff", "#222222"), ("#f4f5f7", "#222222"), ("#191e1b", "#eeeeee")])
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    scale, y = width / 360, 60 * width / 360
    draw.rectangle((0, 0, width, 40 * scale), fill=chance.choice(["#0a6e45", "#1456d9", "#b3261e", "#cccccc"]))
    for _ in range(chance.randint(4, 12)):
        words = "".join(chance.choices(string.ascii_lowercase + string.digits + "    ", k=chance.randint(8, 26)))
        draw.text((20 * scale, y), words, fill=ink, font_size=int(14 * scale))
        y += chance.randint(24, 50) * scale
    for _ in range(chance.randint(1, 4)):
        left, top = chance.randint(0, width // 2), height // 4 + chance.randint(0, height // 2)
        box = (left, top, left + chance.randint(40, width // 2), top + chance.randint(30, height // 5))
        draw.rounded_rectangle(box, 8, fill=tuple(chance.randrange(256) for _ in range(3)))
    return picture


def photograph(seed: int) -> Image.Image:
    """A screen taken with another phone: askew, grainy, too dark or too bright."""
    chance = random.Random(seed)
    askew = screenshot(seed).resize((900, 1200)).rotate(chance.uniform(-8, 8), fillcolor="#555533", expand=True)
    grain = Image.frombytes("L", askew.size, chance.randbytes(askew.width * askew.height)).convert("RGB")
    return ImageEnhance.Brightness(Image.blend(askew, grain, 0.05)).enhance(chance.uniform(0.7, 1.2))


def good_picture(seed: int) -> Image.Image:
    return photograph(seed) if seed % 2 else screenshot(seed)


def encoded(picture: Image.Image, form: str = "JPEG", **how: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **how)
    return out.getvalue()
