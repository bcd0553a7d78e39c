#!/usr/bin/env python3
"""核对一个证据包 · Check an evidence pack, offline, without trusting whom it came from.

    python3 check_pack.py pack-R….zip [key.json]

The pack may be the ZIP or the folder it was unpacked into. It needs Python 3.9 and nothing else. `key.json` is the
shop's public key as you kept it yourself (the shop publishes it at /records/key.json); without one the key inside the
pack is used, which shows only that the pack agrees with itself. Exit code 0: everything fits. 1: something was changed,
and what it is.

What it computes:
  file              SHA-256 over its bytes, as manifest.json lists it
  signature         Ed25519 (RFC 8032) over the JSON of the manifest's statement: keys in order, no blanks, UTF-8
A file that is not listed is reported as well. The record of every step (record.json) has a program of its own:
check_record.py, which lies beside this one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

Json = dict[str, Any]
Open = Callable[[str], BinaryIO]

MANIFEST = "manifest.json"
CHUNK = 1 << 16
MOST_MANIFEST_BYTES = 1 << 20


def main(words: list[str]) -> int:
    if not 1 <= len(words) <= 2:
        print(__doc__)
        return 2
    problems, notes = look_at(*words)
    for line in notes:
        print(f"  {line}")
    for line in problems:
        print(f"✗ {line}")
    print("✗ 证据包被改动或不完整 / changed or incomplete" if problems else "✓ 证据包没有改动 / nothing was changed")
    return 1 if problems else 0


def look_at(path: str, path_of_keys: str = "") -> tuple[list[str], list[str]]:
    """What does not fit, and what is worth knowing."""
    try:
        names, opened = _inside(Path(path))
        manifest = json.loads(_head(opened, MANIFEST))
        keys = json.loads(Path(path_of_keys).read_bytes())["keys"] if path_of_keys else manifest["keys"]
        known = {each["key_id"]: base64.b64decode(each["public_key"], validate=True) for each in keys}
        return check(manifest, known, names, opened), _notes(manifest, bool(path_of_keys))
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        return [f"not a pack that can be read ({type(error).__name__}: {error})"], []


def check(manifest: Json, keys: dict[str, bytes], names: list[str], opened: Open) -> list[str]:
    statement = manifest["statement"]
    problems = list(check_signature(statement, manifest["signature"], keys))
    if statement["format"] != "cardshop-pack-1":
        problems.append(f"unknown format {statement['format']!r}")
    listed = {each["name"]: each for each in statement["files"]}
    if len(listed) < len(statement["files"]) or len(set(names)) < len(names):
        problems.append("a name stands there twice")
    problems += [f"{name}: is not in the list" for name in sorted(set(names) - set(listed) - {MANIFEST})]
    for name, each in listed.items():
        problems += [f"{name}: {problem}" for problem in check_file(each, names, opened)]
    return problems


def check_file(listed: Json, names: list[str], opened: Open) -> Iterator[str]:
    """As long as it should be, and the same bytes. Never reads more than the list says."""
    if listed["name"] not in names:
        yield "is missing"
        return
    digest, left = hashlib.sha256(), listed["bytes"]
    with opened(listed["name"]) as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
        if left or file.read(1):
            yield f"is not {listed['bytes']} bytes long"
        elif digest.hexdigest() != listed["sha256"]:
            yield "was changed"


def check_signature(statement: Json, signature: str, keys: dict[str, bytes]) -> Iterator[str]:
    key = keys.get(statement["key_id"])
    if key is None or hashlib.sha256(key).hexdigest()[:16] != statement["key_id"]:
        yield f"the key {statement['key_id']} is not known"
    elif not is_signed(key, canonical(statement), base64.b64decode(signature, validate=True)):
        yield "the signature is wrong: the list was changed, or another key signed it"


def canonical(content: Json) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _inside(path: Path) -> tuple[list[str], Open]:
    """The files of a pack, a ZIP or a folder, and how to read one."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        places = {each.relative_to(path).as_posix(): each for each in files}
        return list(places), lambda name: places[name].open("rb")
    archive = zipfile.ZipFile(path)
    names = [each.filename for each in archive.infolist() if not each.is_dir()]
    return names, lambda name: archive.open(name)  # type: ignore[return-value]


def _head(opened: Open, name: str) -> bytes:
    with opened(name) as file:
        return file.read(MOST_MANIFEST_BYTES)


def _notes(manifest: Json, has_own_key: bool) -> list[str]:
    statement = manifest["statement"]
    notes = [f"{statement['refund_no']}: {len(statement['files'])} files, made at {statement['made_at']}"]
    notes += [f"left out: {name}" for name in statement.get("left_out", [])]
    if not has_own_key:
        notes.append("checked with the key inside the pack; give key.json, kept by yourself, to know who signed it")
    return notes


# --- Ed25519, RFC 8032, section 5.1.7: slow and plain, for one signature --------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # extended coordinates: x = X/Z, y = Y/Z, xy = T/Z


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    public, half = _point(key), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if public is None or half is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = _times(s, BASE), _sum(half, _times(h, public))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def _sum(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _sum(result, point)
        point, scalar = _sum(point, point), scalar >> 1
    return result


def _point(text: bytes) -> Point | None:
    """From its 32 bytes: y, and which of the two x."""
    y = int.from_bytes(text, "little")
    is_odd, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and is_odd):
        return None
    x = P - x if x & 1 != is_odd else x
    return (x, y, 1, x * y % P)


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or (0, 1, 1, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
