"""What people with bad intentions upload: over 300 files, made here, always the same (X1 to X3).

``corpus()`` gives {name: bytes}. Whatever of it is a picture at all carries ``MARK`` somewhere beside its pixels.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import Image, PngImagePlugin

from tests.photographs import FORMATS, encoded, screenshot

MARK = b"EVIL-7c1f-MARK"
SMALL = (180, 320)


def corpus() -> dict[str, bytes]:
    parts = [*_polyglots(), *_liars(), *_strangers(), *_cameras(), *_cut(), *_bombs(), *_false_heads()]
    found = dict(parts)
    assert len(found) == len(parts)
    return found


def mutated(count: int) -> Iterator[tuple[str, bytes]]:
    """Good pictures of which a few bytes, up to a whole stretch, were changed, taken out, put in or swapped."""
    wholes = {form: encoded(screenshot(5).resize((90, 160)), form) for form in FORMATS}
    for number in range(count):
        chance = random.Random(number)
        form = FORMATS[number % len(FORMATS)]
        broken = bytearray(wholes[form])
        for _ in range(chance.choice([1, 1, 2, 4, 16, 64])):
            _break(broken, chance)
        yield f"mutated {form} {number}", bytes(broken)


def _break(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(min(len(data), chance.choice([40, 400, 10**9])))  # heads are hit more often
    length = chance.choice([1, 1, 1, 4, 64])
    way = chance.randrange(5)
    if way == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif way == 1:
        data[at : at + length] = chance.randbytes(length)
    elif way == 2:
        del data[at : at + length]
        data += b"\0" * (20 if len(data) < 20 else 0)
    elif way == 3:
        data[at:at] = data[at : at + length] * chance.choice([1, 50])
    else:
        data[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"])


# --- a picture to one program, something else to another ------------------------------------------------------------


def _payloads() -> dict[str, bytes]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as jar:
        jar.writestr("Evil.class", MARK)
    return {
        "php": b"<?php system($_GET['c']); /*" + MARK + b"*/ ?>",
        "script": b"<script>alert('" + MARK + b"')</script>",
        "html": b"<!doctype html><html><body onload=alert(1)>" + MARK,
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + MARK + b"</svg>",
        "zip": archive.getvalue(),
        "pdf": b"%PDF-1.7\n1 0 obj<</S/JavaScript/JS(app.alert(1))>>endobj " + MARK,
        "shell": b"#!/bin/sh\nrm -rf / # " + MARK,
        "elf": b"\x7fELF\x02\x01\x01" + bytes(9) + MARK,
        "exe": b"MZ\x90\0\x03\0\0\0" + MARK,
        "template": b"{{ 7*7 }}{% debug %}${7*7}" + MARK,
    }


def _polyglots() -> Iterator[tuple[str, bytes]]:
    picture = screenshot(1).resize(SMALL)
    for kind, payload in _payloads().items():
        for form in FORMATS:
            yield f"{kind} behind a {form}", encoded(picture, form) + payload
            yield f"{kind} in the EXIF of a {form}", encoded(picture, form, exif=_exif(payload))
            yield f"{kind} as the colors of a {form}", encoded(picture, form, icc_profile=payload)
        yield f"{kind} as a JPEG's comment", encoded(picture, "JPEG", comment=payload)
        yield f"{kind} as a JPEG's XMP", encoded(picture, "JPEG", xmp=payload)
        yield f"{kind} as a WebP's XMP", encoded(picture, "WEBP", xmp=payload)
        for zipped in (False, True):
            texts = PngImagePlugin.PngInfo()
            texts.add_text("Comment", payload.decode("latin-1"), zip=zipped)
            yield f"{kind} as a PNG's text, zipped={zipped}", encoded(picture, "PNG", pnginfo=texts)


def _exif(payload: bytes, seed: int = 0) -> Image.Exif:
    chance = random.Random(seed)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = f"Make{seed} {MARK.decode()}", f"Model{seed}"
    exif[0x9C9B] = payload
    exif[0x0112] = chance.randint(1, 8)
    place = {1: "N", 2: (chance.uniform(0, 89), 54.0, 26.0), 3: "E", 4: (chance.uniform(0, 179), 23.0, 29.0)}
    exif.get_ifd(0x8825).update(place)
    exif.get_ifd(0x8769).update({0xA431: f"SerialSN{seed:06}", 0x9286: payload})
    return exif


def _cameras() -> Iterator[tuple[str, bytes]]:
    """X3: where it was taken, with which device, and a second picture behind the first."""
    for seed in range(30):
        form = FORMATS[seed % 3]
        yield (
            f"camera {seed}, {form}",
            encoded(screenshot(seed).resize(SMALL), form, exif=_exif(b"ASCII\0\0\0" + MARK, seed)),
        )
    preview = io.BytesIO()
    first, behind = screenshot(1).resize(SMALL), Image.new("RGB", (64, 48))
    first.save(preview, "MPO", save_all=True, append_images=[behind])
    yield "camera with a preview", preview.getvalue() + MARK


# --- what is no picture ---------------------------------------------------------------------------------------------


def _liars() -> Iterator[tuple[str, bytes]]:
    """The first bytes of a picture, and then not."""
    heads = {"JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF\0\0\x10\0WEBPVP8 "}
    for kind, payload in _payloads().items():
        yield kind, payload
        for form, head in heads.items():
            yield f"{kind} with the head of a {form}", head + payload
        yield f"{kind} before a JPEG", payload + encoded(screenshot(1).resize(SMALL))


def _strangers() -> Iterator[tuple[str, bytes]]:
    picture = screenshot(1).resize(SMALL)
    for form in ["GIF", "BMP", "TIFF", "ICO", "AVIF", "EPS", "PPM", "TGA", "PCX", "SGI", "PDF", "ICNS", "JPEG2000"]:
        yield form, encoded(picture, form)
    yield "GIF with PHP", b"GIF89a" + MARK + b"<?php ?>"
    yield "FITS", b"SIMPLE  =                    T" + b" " * 2850
    yield "PSD", b"8BPS\0\x01" + bytes(20)
    yield "gzip", gzip.compress(MARK * 100, mtime=0)
    yield "MP4", b"\0\0\0\x20ftypisom" + bytes(40)
    yield "HEIC", b"\0\0\0\x18ftypheic" + bytes(40)
    yield "BOM and HTML", b"\xef\xbb\xbf<html>" + MARK
    yield "UTF-16 HTML", "<script>alert(1)</script>".encode("utf-16")
    yield "JSON", b'{"image": "data:image/png;base64,AAAA"}'
    yield "external entity", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg>&e;</svg>'
    yield "ImageMagick script", b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://x/\"|id\")'\n"
    yield "PostScript", b"%!PS\n(%pipe%id) (w) file"
    yield "playlist", b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\nfile:///etc/passwd"
    for length in (1, 2, 3, 8, 100, 4096):
        yield f"{length} NUL bytes", bytes(length)
        yield f"{length} bytes of chance", random.Random(length).randbytes(length)


# --- broken, or far too much ----------------------------------------------------------------------------------------


def _cut() -> Iterator[tuple[str, bytes]]:
    for form in FORMATS:
        whole = encoded(screenshot(2).resize(SMALL), form)
        for tenth in range(1, 10):
            yield f"{tenth}/10 of a {form}", whole[: len(whole) * tenth // 10]
        yield f"a {form} without its last byte", whole[:-1]


def _bombs() -> Iterator[tuple[str, bytes]]:
    for width, height in [(20_000, 10_000), (10_000, 5_000), (8_000, 5_001), (70_000, 10), (10, 70_000), (65_501, 1)]:
        yield f"PNG of {width} × {height}", png_of(width, height)
    for size in (2**16, 2**24, 2**31 - 1):
        yield f"PNG that says {size} × {size}", png(_head(size, size), ("IDAT", b""))
    bomb = zlib.compress(b"A" * 50_000_000, 9)
    pixels = ("IDAT", zlib.compress(b"\0" * 200))
    yield "bomb in zTXt", png(_head(8, 8), ("zTXt", b"Comment\0\0" + bomb), pixels)
    yield "bomb in iTXt", png(_head(8, 8), ("iTXt", b"Comment\0\x01\0\0\0" + bomb), pixels)
    yield "bomb in iCCP", png(_head(8, 8), ("iCCP", b"icc\0\0" + bomb), pixels)
    yield "bomb in IDAT", png(_head(8, 8), ("IDAT", bomb))
    yield "a thousand texts", png(_head(8, 8), *[("tEXt", b"k\0" + MARK)] * 1000, pixels)
    for form in ("WEBP", "PNG"):
        frames = [Image.new("RGB", (20, 20), (number, 0, 0)) for number in range(200)]
        moving = encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=20)
        yield f"{form} of 200 pictures", moving


def _false_heads() -> Iterator[tuple[str, bytes]]:
    """Sizes that do not belong to what follows."""
    picture = screenshot(2).resize(SMALL)
    jpeg, webp = encoded(picture), encoded(picture, "WEBP")
    sizes = jpeg.index(b"\xff\xc0") + 5
    for height, width in [(65_500, 65_500), (0, 0), (1, 1), (6000, 6000), (65_535, 1)]:
        yield f"JPEG that says {height} × {width}", jpeg[:sizes] + struct.pack(">HH", height, width) + jpeg[sizes + 4 :]
    for length in (0, 8, 2**31, 2**32 - 1):
        yield f"WebP that says {length} bytes", webp[:4] + struct.pack("<I", length) + webp[8:]
    yield "PNG without pixels", png(_head(8, 8))
    yield "PNG of no size", png(_head(0, 0), ("IDAT", zlib.compress(b"")))
    yield "PNG with a broken sum", encoded(picture, "PNG").replace(b"IHDR\0", b"IHDR\1", 1)
    yield "PNG of an unknown kind", png(("IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 7, 0, 0, 0)), ("IDAT", b""))
    yield "PNG within a PNG", png(_head(8, 8), ("IDAT", encoded(picture, "PNG")))


def _head(width: int, height: int) -> tuple[str, bytes]:
    return "IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def png_of(width: int, height: int) -> bytes:
    """A PNG that is that large, of a few kB."""
    row = zlib.compressobj(9)
    pixels = b"".join(row.compress(b"\0" * (width // 8 + 1)) for _ in range(height)) + row.flush()
    return png(("IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), ("IDAT", pixels))


def png(*chunks: tuple[str, bytes]) -> bytes:
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in [*chunks, ("IEND", b"")]:
        body = name.encode() + data
        out += struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    return out
