"""举证图片, in numbers: 300 hostile files, thousands of mutated ones, hundreds of good pictures (X1 to X3).

Each goes through its own child, as uploads do, which takes about a tenth of a second; `make nightly` tries the whole.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

import images
from images import Repainted, UnusableImage
from tests.hostile_files import MARK, corpus, mutated, png_of
from tests.photographs import FORMATS, encoded, good_picture, photograph
from tests.test_images import segments

CORES = 2


def tried(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes, Repainted | str]]:
    """Each file, and the picture that came of it or the reason why not. Anything else is raised."""

    def one(file: tuple[str, bytes]) -> tuple[str, bytes, Repainted | str]:
        try:
            return (*file, images.repaint(file[1]))
        except UnusableImage as unusable:
            return (*file, unusable.reason_code)

    with ThreadPoolExecutor(CORES) as pool:
        yield from pool.map(one, files)


def is_clean(picture: Repainted, sent: bytes) -> bool:
    """Ours from the first byte to the last, and nothing of what was sent beside the pixels."""
    assert picture.data != sent
    assert picture.content_type == "image/jpeg"
    assert picture.data.endswith(b"\xff\xd9")
    assert segments(picture.data) <= {"APP0", "DQT", "SOF0", "DHT", "SOS"}
    with Image.open(io.BytesIO(picture.data)) as seen:
        assert seen.size == (picture.width, picture.height)
        assert not seen.getexif()
        assert not {"comment", "exif", "xmp", "icc_profile"} & seen.info.keys()
    return MARK not in picture.data


def test_hostile_files_are_refused_or_repainted():
    """X1, X2, X3: none is kept as it was sent, and none does more than end its own child."""
    files = corpus()
    assert len(files) >= 300
    refused = {}
    for name, sent, outcome in tried(files.items()):
        if isinstance(outcome, Repainted):
            assert is_clean(outcome, sent), name
        else:
            refused[name] = outcome
    pictures = files.keys() - refused.keys()
    assert {name for name in files if name.startswith("camera")} <= pictures  # a good picture with bad luggage
    strangers = ["php", "zip", "GIF", "TIFF", "FITS", "MP4", "JSON", "ImageMagick script", "php before a JPEG"]
    assert {refused[name] for name in strangers} == {"not_an_image"}
    assert {refused[f"PNG that says {size} × {size}"] for size in (2**16, 2**24)} == {"too_many_pixels"}
    assert {refused["WEBP of 200 pictures"], refused["PNG of 200 pictures"]} == {"animated"}
    assert "too_complex" not in refused.values()  # nothing had to be killed


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.nightly)])
def test_whatever_is_changed_in_a_picture_the_answer_is_a_picture_or_a_reason(count):
    outcomes = [(name, sent, outcome) for name, sent, outcome in tried(mutated(count))]
    pictures = [(name, sent, outcome) for name, sent, outcome in outcomes if isinstance(outcome, Repainted)]
    for name, sent, picture in pictures:
        assert is_clean(picture, sent), name
    assert count // 20 < len(pictures) < count  # some were harmless, some were not
    assert len(outcomes) == count


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.nightly)])
def test_good_pictures_pass_and_look_right(count):
    """Of all sizes and formats; nowhere more than a trace of another color, and sharp still."""
    originals = [good_picture(seed) for seed in range(count)]
    files = [(str(seed), encoded(each, FORMATS[seed // 2 % 3])) for seed, each in enumerate(originals)]
    for (name, sent, painted), original in zip(tried(files), originals, strict=True):
        assert isinstance(painted, Repainted), (name, painted)
        assert is_clean(painted, sent)
        assert (painted.width, painted.height) == original.size
        assert painted.hint == "", name
        assert painted.likeness is not None
        with Image.open(io.BytesIO(painted.data)) as seen:
            apart = ImageStat.Stat(ImageChops.difference(seen.convert("L"), original.convert("L")))
        assert apart.mean[0] < 6, name
        assert apart.rms[0] < 10, name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process to its memory")
def test_whatever_is_sent_memory_is_bounded():
    """X2: that of the child by its limit; that of the process that started it by the size of an upload."""
    bombs = [data for name, data in corpus().items() if "bomb" in name or "says" in name]
    largest = encoded(photograph(1).resize((7990, 5000)), "JPEG", quality=60)
    bombs += [largest, png_of(20_000, 10_000)]
    assert len(bombs) > 12
    own, child = _peaks(bombs)
    assert 100 * 1024 * 1024 < child * 1024 < images.CHILD_MEMORY_BYTES  # the largest photograph takes its share
    assert own * 1024 < 100 * 1024 * 1024


def _peaks(files: list[bytes]) -> tuple[int, int]:
    """The most memory that a process which repaints these took itself, and that any of its children did, in KiB."""
    script = """
import json, resource, sys
sys.path.insert(0, '.')
import images
for length in json.loads(sys.stdin.buffer.readline()):
    try:
        images.repaint(sys.stdin.buffer.read(length))
    except images.UnusableImage:
        pass
own = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(json.dumps([int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
    sent = json.dumps([len(data) for data in files]).encode() + b"\n" + b"".join(files)
    root = Path(images.__file__).parent
    answer = subprocess.run([sys.executable, "-c", script], input=sent, capture_output=True, check=True, cwd=root)
    own, child = json.loads(answer.stdout)
    return own, child
