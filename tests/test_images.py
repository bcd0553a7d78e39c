"""举证图片: 好图原样可见，坏文件进不来，图外的一个字也留不下 (X1 to X3)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

import images
from images import UnusableImage, repaint

PAYLOAD = b"<?php system($_GET['c']); ?><script>alert(1)</script>"


# --- Good pictures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_good_picture_comes_back_as_a_jpeg_that_looks_the_same(form: str) -> None:
    painted = repaint(encode(screenshot(), form))
    assert painted.content_type == "image/jpeg"
    assert painted.sha256 == hashlib.sha256(painted.data).hexdigest()
    assert (painted.width, painted.height) == (640, 480)
    with Image.open(io.BytesIO(painted.data)) as seen:
        assert (seen.format, seen.size, seen.mode) == ("JPEG", (640, 480), "RGB")
        assert close_to(seen.getpixel((100, 100)), (220, 30, 30))
        assert close_to(seen.getpixel((600, 400)), (240, 240, 240))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixel_is_painted(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    if mode == "I;16":
        grey = Image.new("I;16", (40, 40), 204 * 256)
    else:
        grey = Image.new("RGB", (40, 40), (204, 204, 204)).convert(mode, dither=Image.Dither.NONE)
    painted = repaint(encode(grey, form))
    expected = (255, 255, 255) if mode == "1" else (204, 204, 204)
    with Image.open(io.BytesIO(painted.data)) as seen:
        assert close_to(seen.getpixel((20, 20)), expected)


def test_what_is_transparent_becomes_white() -> None:
    glass = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    palette = Image.new("P", (50, 50), 0)
    for picture in (encode(glass, "PNG"), encode(glass, "WEBP"), encode(palette, "PNG", transparency=0)):
        with Image.open(io.BytesIO(repaint(picture).data)) as seen:
            assert close_to(seen.getpixel((25, 25)), (255, 255, 255))


def test_a_photo_is_turned_upright_before_its_orientation_is_dropped() -> None:
    photo = Image.new("RGB", (60, 30), (0, 0, 255))
    photo.paste((255, 0, 0), (0, 0, 20, 30))  # red on the left; turned by 90° it is on top
    exif = Image.Exif()
    exif[0x0112] = 6
    painted = repaint(encode(photo, "JPEG", exif=exif))
    assert (painted.width, painted.height) == (30, 60)
    with Image.open(io.BytesIO(painted.data)) as seen:
        assert close_to(seen.getpixel((15, 5)), (255, 0, 0), by=40)
        assert not seen.getexif()


def test_a_phone_photo_with_a_second_picture_behind_it_is_taken_for_its_first() -> None:
    data = io.BytesIO()
    screenshot().save(data, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    assert repaint(data.getvalue()).width == 640


def test_the_largest_photo_fits_the_child() -> None:
    photo = Image.effect_noise((800, 500), 60).resize((8000, 4990)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 3  # turned, which holds two copies at a time
    painted = repaint(encode(photo, "JPEG", exif=exif, quality=50))
    assert (painted.width, painted.height) == (8000, 4990)


# --- What must stay behind ------------------------------------------------------------------------------------------


def camera_photo(form: str) -> bytes:
    """A picture with all that cameras and editors write beside the pixels, and a payload in each of it."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "SecretMake", "SecretModel"
    exif[0x9C9B] = PAYLOAD
    exif.get_ifd(0x8825).update({1: "N", 2: (39.0, 54.0, 26.0), 3: "E", 4: (116.0, 23.0, 29.0)})
    exif.get_ifd(0x8769).update({0xA431: "SerialSN123456"})
    more: dict[str, object] = {"exif": exif, "xmp": b"<x:xmpmeta>" + PAYLOAD + b"</x:xmpmeta>", "icc_profile": PAYLOAD}
    if form == "JPEG":
        more["comment"] = PAYLOAD
    if form == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", PAYLOAD.decode())
        texts.add_itxt("XML:com.adobe.xmp", PAYLOAD.decode())
        more = {"exif": exif, "pnginfo": texts, "icc_profile": PAYLOAD}
    return encode(screenshot(), form, **more)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("trailer", [b"", PAYLOAD, b"%PDF-1.7"])
def test_nothing_but_pixels_survives(form: str, trailer: bytes) -> None:
    """X1, X3: comment, EXIF with place and serial number, XMP, colour profile, thumbnail, trailer."""
    sent = camera_photo(form) + trailer
    assert b"Secret" in sent
    painted = repaint(sent)
    for secret in (b"<?php", b"<script", b"Secret", b"SerialSN", b"Exif", b"GPS", b"xmp", b"ICC", b"%PDF"):
        assert secret not in painted.data
    assert segments(painted.data) <= {"APP0", "DQT", "SOF0", "DHT", "SOS"}
    assert painted.data.endswith(b"\xff\xd9")


def test_an_archive_behind_a_picture_is_gone() -> None:
    """GIFAR and its kin: one file that is a picture to one program and an archive to another."""
    archive = io.BytesIO(encode(screenshot(), "JPEG"))
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a") as jar:
        jar.writestr("Evil.class", PAYLOAD)
    assert zipfile.is_zipfile(io.BytesIO(archive.getvalue()))
    assert not zipfile.is_zipfile(io.BytesIO(repaint(archive.getvalue()).data))


# --- Bad files ------------------------------------------------------------------------------------------------------


def animation(form: str) -> bytes:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
    return encode(frames[0], form, save_all=True, append_images=frames[1:], duration=100)


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it is that large, of a few kB."""
    row = zlib.compressobj(9)
    pixels = b"".join(row.compress(b"\0" * (width // 8 + 1)) for _ in range(height)) + row.flush()
    return png(("IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), ("IDAT", pixels))


def png(*chunks: tuple[str, bytes]) -> bytes:
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in [*chunks, ("IEND", b"")]:
        body = name.encode() + data
        out += struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    return out


def jpeg_of_many_scans() -> bytes:
    """A small progressive JPEG whose last scan is repeated until decoding it would take minutes."""
    data = encode(Image.new("L", (6000, 6000), 128), "JPEG", progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    scan, end = data[last_scan:-2], data[-2:]
    return data[:last_scan] + scan * ((images.MAX_BYTES - len(data)) // len(scan)) + end


BAD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("empty", lambda: b""),
    "text called .jpg": ("not_an_image", lambda: "我没有收到卡密".encode()),
    "one byte": ("not_an_image", lambda: b"\xff"),
    "NUL bytes": ("not_an_image", lambda: b"\0" * 4096),
    "HTML": ("not_an_image", lambda: b"<!doctype html><script>alert(1)</script>"),
    "PHP": ("not_an_image", lambda: b"<?php phpinfo(); ?>"),
    "SVG": ("not_an_image", lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    "PDF": ("not_an_image", lambda: b"%PDF-1.7\n1 0 obj<</S/JavaScript/JS(app.alert(1))>>endobj"),
    "ZIP": ("not_an_image", lambda: b"PK\x03\x04" + b"\0" * 60),
    "ELF": ("not_an_image", lambda: b"\x7fELF" + b"\0" * 60),
    "GIF": ("not_an_image", lambda: encode(screenshot(), "GIF")),
    "GIF with PHP": ("not_an_image", lambda: b"GIF89a" + PAYLOAD),
    "BMP": ("not_an_image", lambda: encode(screenshot(), "BMP")),
    "TIFF": ("not_an_image", lambda: encode(screenshot(), "TIFF")),
    "ICO": ("not_an_image", lambda: encode(screenshot(), "ICO")),
    "AVIF": ("not_an_image", lambda: encode(screenshot(), "AVIF")),
    "EPS": ("not_an_image", lambda: encode(screenshot(), "EPS")),
    "FITS": ("not_an_image", lambda: b"SIMPLE  =                    T" + b" " * 2850),
    "HTML before a JPEG": ("not_an_image", lambda: PAYLOAD + encode(screenshot(), "JPEG")),
    "animated WebP": ("animated", lambda: animation("WEBP")),
    "animated PNG": ("animated", lambda: animation("PNG")),
    "200 megapixels": ("too_many_pixels", lambda: png_of(20_000, 10_000)),
    "50 megapixels, where PIL only warns": ("too_many_pixels", lambda: png_of(10_000, 5_000)),
    "4 gigapixels": ("too_many_pixels", lambda: png(("IHDR", b"\0\0\xff\xff" * 2 + b"\x08\2\0\0\0"), ("IDAT", b""))),
    "longer than a JPEG may be": ("too_many_pixels", lambda: png_of(70_000, 10)),
    "bomb in a text chunk": ("damaged", lambda: png_with_a_text_bomb()),
    "half a JPEG": ("damaged", lambda: half(encode(screenshot(), "JPEG"))),
    "half a PNG": ("damaged", lambda: half(encode(screenshot(), "PNG"))),
    "half a WebP": ("damaged", lambda: half(encode(screenshot(), "WEBP"))),
    "PNG without pixels": ("damaged", lambda: png(("IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)))),
    "too many bytes": ("too_large", lambda: b"\xff\xd8\xff" + b"\0" * images.MAX_BYTES),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_advice(kind: str) -> None:
    reason_code, make = BAD[kind]
    with pytest.raises(UnusableImage) as refused:
        repaint(make())
    assert refused.value.reason_code == reason_code
    assert "请" in refused.value.message or "只能" in refused.value.message  # it says what to do


def test_a_picture_that_takes_too_long_kills_only_its_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """X2: CPU is counted in the child, whatever the decoder does."""
    monkeypatch.setattr(images, "CHILD_CPU_SECONDS", 1)
    with pytest.raises(UnusableImage, match="too_complex"):
        repaint(jpeg_of_many_scans())


def test_a_picture_that_needs_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """X2: 39 megapixels need more than this child may have."""
    photo = encode(Image.new("RGB", (7800, 5000)), "PNG")
    assert repaint(photo).width == 7800
    monkeypatch.setattr(images, "CHILD_MEMORY_BYTES", 220 * 1024 * 1024)
    with pytest.raises(UnusableImage, match="too_many_pixels"):
        repaint(photo)


def test_whatever_is_flipped_in_a_file_the_answer_is_a_picture_or_a_reason() -> None:
    chance = random.Random(2026)
    for form in ("JPEG", "PNG", "WEBP"):
        whole = encode(screenshot().resize((64, 48)), form)
        for _ in range(8):
            broken = bytearray(whole)
            for _ in range(chance.randint(1, 12)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            with contextlib.suppress(UnusableImage):
                assert repaint(bytes(broken)).data.startswith(b"\xff\xd8\xff")


def test_the_web_process_never_loads_a_decoder() -> None:
    script = "import sys; sys.path.insert(0, '.'); import images; print('PIL' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "False\n"


# --- Tools ----------------------------------------------------------------------------------------------------------


def screenshot() -> Image.Image:
    picture = Image.new("RGB", (640, 480), (240, 240, 240))
    ImageDraw.Draw(picture).rectangle((40, 40, 300, 200), fill=(220, 30, 30))
    return picture


def encode(picture: Image.Image, form: str, **how: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **how)
    return out.getvalue()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def png_with_a_text_bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    bomb = b"Comment\0\0" + zlib.compress(b"A" * 50_000_000, 9)
    return png(("IHDR", header), ("zTXt", bomb), ("IDAT", zlib.compress(b"\0" * 200)))


def close_to(seen: object, expected: tuple[int, int, int], by: int = 8) -> bool:
    assert isinstance(seen, tuple)
    return all(abs(a - b) <= by for a, b in zip(seen, expected, strict=True))


def segments(jpeg: bytes) -> set[str]:
    """The names of a JPEG's segments, up to and including its first scan."""
    names = {0xE0: "APP0", 0xDB: "DQT", 0xC0: "SOF0", 0xC4: "DHT", 0xDA: "SOS"}
    found, at = set(), 2
    while at < len(jpeg):
        marker = jpeg[at + 1]
        found.add(names.get(marker, hex(marker)))
        if marker == 0xDA:
            break
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    return found
