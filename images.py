"""举证图片: an upload is never kept as it came. It is decoded, painted on a fresh canvas and encoded anew (X1 to X3).

Whatever was hidden in the file — scripts, archives, places, device numbers — stays behind with the original, which is
kept nowhere. All of this happens in a child process with little time and memory, so that a picture made to hurt can
only hurt that child. The child is this very file, run on its own: at the top it must import nothing but the standard
library, and below only PIL.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import operator
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 65_500  # JPEG's own limit
FORMATS = ("JPEG", "PNG", "WEBP")
SMALL_BELOW = 300  # pixels of the shorter side
READ_AT = 1024  # pixels of the longer side, at which a reviewer looks at it
SHARP_FROM, SHARP_SHARE = 48, 1000  # a sharp picture has an edge this steep in one pixel of so many
PLAIN_BELOW = 2.0  # levels of gray by which a plain surface may differ
CHILD_CPU_SECONDS = 5
CHILD_MEMORY_BYTES = 512 * 1024 * 1024
CHILD_SECONDS = 30  # by the wall clock: a busy machine is not the buyer's fault


def _(text: str) -> str:
    """Marks a sentence for the translators. Whoever shows it translates it: this file may import nothing."""
    return text


#: reason_code → what the buyer reads: what is wrong, and what to do.
REASONS = {
    "empty": _("图片是空的，请重新选择一张。"),
    "too_large": _("图片超过 8 MB，请压缩或只截取需要的部分，再上传。"),
    "not_an_image": _("只能上传 JPG、PNG 或 WebP 图片；其他内容请截图后上传。"),
    "animated": _("不能上传动图，请截取其中一个画面后上传。"),
    "too_many_pixels": _("图片尺寸过大（最多 4000 万像素），请缩小或只截取需要的部分，再上传。"),
    "damaged": _("图片不完整或已损坏，请重新截图或拍照后上传。"),
    "too_complex": _("图片无法处理，请重新截图后上传。"),
}


#: hint → what the buyer reads beside a picture that was taken all the same (S1-9).
HINTS = {
    "small": _("图片太小，字可能认不出来，建议重新截取整屏。"),
    "blurred": _("看不清，建议重拍：对准、拿稳，或直接截屏。"),
}


class UnusableImage(Exception):
    """The upload cannot be used as evidence. ``message`` is for the buyer, ``reason_code`` for us."""

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code
        self.message = REASONS[reason_code]


@dataclass(frozen=True)
class Repainted:
    """A picture that we made ourselves: upright, without a word beside its pixels. ``sha256`` of ``data`` is in hex.

    ``likeness``: 64 bits (signed), few of which differ between pictures that look alike; None of a plain surface.
    ``hint``: a key of HINTS where people may not be able to read it; never a reason to refuse it.
    """

    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    sha256: str
    likeness: int | None = None
    hint: str = ""

    @property
    def advice(self) -> str:
        """The hint in words; whoever shows it translates it. Empty: nothing to say."""
        return HINTS.get(self.hint, "")


def repaint(data: bytes) -> Repainted:
    """Return the picture in ``data`` painted anew as JPEG, in RGB, on white. Raises UnusableImage.

    Name and content type of the upload do not matter: what it decodes to does.
    """
    if not data:
        raise UnusableImage("empty")
    if len(data) > MAX_BYTES:
        raise UnusableImage("too_large")
    limits = [str(CHILD_CPU_SECONDS), str(CHILD_MEMORY_BYTES)]
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and file, no shell
            [sys.executable, "-I", __file__, *limits],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=CHILD_SECONDS,
            cwd="/",
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnusableImage("too_complex") from None
    return _read(child.returncode, child.stdout)


def _read(returncode: int, answer: bytes) -> Repainted:
    """The child answers one line of JSON, then the picture; one that was killed answers neither."""
    head, _, picture = answer.partition(b"\n")
    if returncode != 0:
        raise UnusableImage("too_complex")
    said: dict[str, Any] = json.loads(head)
    if "reason_code" in said:
        raise UnusableImage(said["reason_code"])
    if not picture.startswith(b"\xff\xd8\xff"):
        raise UnusableImage("too_complex")
    return Repainted(
        picture,
        "image/jpeg",
        said["width"],
        said["height"],
        hashlib.sha256(picture).hexdigest(),
        said["likeness"],
        said["hint"],
    )


# --- In the child ---------------------------------------------------------------------------------------------------


def _main() -> None:
    _limit_ourselves(cpu_seconds=int(sys.argv[1]), memory_bytes=int(sys.argv[2]))
    try:
        head, picture = _paint(sys.stdin.buffer.read())
    except UnusableImage as unusable:
        head, picture = {"reason_code": unusable.reason_code}, b""
    except MemoryError:
        head, picture = {"reason_code": "too_many_pixels"}, b""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + picture)


def _limit_ourselves(*, cpu_seconds: int, memory_bytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":  # macOS refuses this limit
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _paint(data: bytes) -> tuple[dict[str, Any], bytes]:
    """What is said of the picture, and the picture."""
    from PIL import Image

    upright = _upright(_decode(data))
    canvas = Image.new("RGB", upright.size, "white")
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        canvas.paste(upright, mask=upright.getchannel("A"))
    else:
        canvas.paste(_rgb(upright))
    del upright
    picture = io.BytesIO()
    canvas.save(picture, "JPEG", quality=88)
    seen = canvas.reduce(-(-max(canvas.size) // READ_AT)).convert("L")
    hint = "small" if min(canvas.size) < SMALL_BELOW else "" if _is_sharp(seen) else "blurred"
    said = {"width": canvas.width, "height": canvas.height, "likeness": _likeness(seen), "hint": hint}
    return said, picture.getvalue()


def _decode(data: bytes) -> Any:
    """Return the loaded picture (a PIL image). Raises UnusableImage."""
    import warnings

    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)  # PIL only warns up to twice the limit
    try:
        source = Image.open(io.BytesIO(data), formats=FORMATS)
        # A phone's JPEG may carry a preview or a depth map behind it (MPO): its first picture is the photograph.
        if source.format != "MPO" and getattr(source, "n_frames", 1) > 1:
            raise UnusableImage("animated")
        if max(source.size) > MAX_SIDE:
            raise UnusableImage("too_many_pixels")
        source.load()
    except (UnusableImage, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnusableImage("too_many_pixels") from None
    except UnidentifiedImageError:
        raise UnusableImage("not_an_image") from None
    except Exception:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError …
        raise UnusableImage("damaged") from None
    return source


def _upright(source: Any) -> Any:
    """Apply the camera's orientation; one that cannot be read is worth nothing, but spoils nothing."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(source)
    except MemoryError:
        raise
    except Exception:
        return source


def _rgb(picture: Any) -> Any:
    if picture.mode.startswith("I"):  # 16 bits of gray; a plain conversion would clip all but the darkest to white
        picture = picture.convert("I").point(lambda gray: gray / 256).convert("L")
    return (
        picture if picture.mode == "RGB" else picture.convert("RGB")
    )  # converting copies, and 40 megapixels are large


def _likeness(seen: Any) -> int | None:
    """Perceptual hash (pHash): which of the 64 coarsest waves of a gray picture are stronger than their median."""
    from PIL import Image, ImageStat

    side = 32
    small = seen.resize((side, side), Image.Resampling.BOX)
    if ImageStat.Stat(small).stddev[0] < PLAIN_BELOW:
        return None  # all plain surfaces look alike, and prove nothing
    gray = small.tobytes()
    rows = [gray[start : start + side] for start in range(0, side * side, side)]
    waves = [[math.cos(math.pi * (2 * at + 1) * turn / (2 * side)) for at in range(side)] for turn in range(8)]
    across = [[sum(map(operator.mul, row, wave)) for row in rows] for wave in waves]
    strengths = [sum(map(operator.mul, column, wave)) for wave in waves for column in across]
    middle = statistics.median(strengths[1:])  # the first is the brightness of the whole
    bits = sum(1 << place for place, strength in enumerate(strengths) if strength > middle)
    return bits - (1 << 64) if bits >> 63 else bits


def _is_sharp(seen: Any) -> bool:
    """Whether some edges of a gray picture are edges: its Laplacian where it is strongest. Its variance would call a
    sharp screenshot blurred, most of which is plain."""
    from PIL import ImageFilter

    if min(seen.size) < 3:
        return False
    laplacian = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
    inside = (1, 1, seen.width - 1, seen.height - 1)  # the filter leaves the border as it was
    edges = seen.filter(laplacian).crop(inside).histogram()
    steep = sum(count for level, count in enumerate(edges) if abs(level - 128) >= SHARP_FROM)
    return bool(steep * SHARP_SHARE >= seen.width * seen.height)


if __name__ == "__main__":
    _main()
