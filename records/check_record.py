#!/usr/bin/env python3
"""核对一份订单存证 · Check the record of an order, offline, without trusting whom it came from.

    python3 check_record.py record-D….json [key.json]

It needs Python 3.9 and nothing else; with the package `cryptography` installed it checks the signatures too. `key.json`
is the shop's public key as you kept it yourself; without one the key inside the record is used, which shows only that
the record agrees with itself. Exit code 0: everything fits. 1: something was changed, and what it is.

What it computes, all with SHA-256:
  personal digest   salt + JSON of the personal fields; without them the digest stands for itself
  event             hash of the event before (32 zero bytes for the first) + JSON of the public fields + personal digest
  leaf              00 + JSON of {stream, subject, sequence, hash} of the event that was a chain's last that day
  node              01 + left + right, as in RFC 6962, up to the day's root
  signature         Ed25519 over the JSON of the day's statement
`order_no` is there to tell files apart: what is proved is about the order whose key is the subject of its chain.
JSON is always written the same way: keys in order, no blanks, UTF-8.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def main(words: list[str]) -> int:
    if not 1 <= len(words) <= 2:
        print(__doc__)
        return 2
    problems, notes = look_at(*words)
    for line in notes:
        print(f"  {line}")
    for line in problems:
        print(f"✗ {line}")
    print("✗ 存证被改动或不完整 / changed or incomplete" if problems else "✓ 存证没有改动 / nothing was changed")
    return 1 if problems else 0


def look_at(path: str, path_of_keys: str = "") -> tuple[list[str], list[str]]:
    """What does not fit, and what is worth knowing."""
    try:
        record = read(path)
        keys = read(path_of_keys)["keys"] if path_of_keys else record["keys"]
        return check(record, {each["key_id"]: base64.b64decode(each["public_key"]) for each in keys})
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        return [f"not a record that can be read ({type(error).__name__}: {error})"], []


def check(record: Json, keys: dict[str, bytes]) -> tuple[list[str], list[str]]:
    problems: list[str] = []
    notes: list[str] = []
    if record["format"] != "cardshop-record-1":
        problems.append(f"unknown format {record['format']!r}")
    names = [(chain["stream"], chain["subject"]) for chain in record["chains"]]
    if not names or len(set(names)) < len(names):
        problems.append("it holds no chains, or one twice")
    for day, published in sorted(record["roots"].items()):
        problems += [f"root of {day}: {problem}" for problem in check_root(day, published, keys, notes)]
    for chain in record["chains"]:
        name = f"{chain['stream']} {chain['subject']}"
        problems += [f"{name}: {problem}" for problem in check_chain(chain)]
        problems += [f"{name}: {problem}" for problem in check_place(chain, record["roots"], name, notes)]
    return problems, notes


def check_chain(chain: Json) -> Iterator[str]:
    """Every event follows on the one before and is what was hashed."""
    if not chain["events"]:
        yield "it holds no events"
    before = bytes(32)
    for number, event in enumerate(chain["events"], start=1):
        content = event["content"]
        personal_digest = bytes.fromhex(event["personal_digest"])
        if (content["stream"], content["subject"]) != (chain["stream"], chain["subject"]):
            yield f"event {number} belongs to another chain"
        if content["sequence"] != number:
            yield f"event {number} is missing, or out of order"
        if bytes.fromhex(event["previous_hash"]) != before:
            yield f"event {number} does not follow the one before it"
        if "salt" in event or "personal" in event:
            salted = bytes.fromhex(event["salt"]) + canonical(event["personal"])
            if hashlib.sha256(salted).digest() != personal_digest:
                yield f"event {number}: its personal details were changed"
        if bytes.fromhex(event["hash"]) != hashlib.sha256(before + canonical(content) + personal_digest).digest():
            yield f"event {number} ({content['at']}) was changed"
        before = bytes.fromhex(event["hash"])


def check_place(chain: Json, roots: Json, name: str, notes: list[str]) -> Iterator[str]:
    """The chain, up to one of its events, is a leaf of a published root."""
    place, count = chain["place"], len(chain["events"])
    if place is None:
        notes.append(f"{name}: {count} events, in no published root yet")
        return
    sequence, day = place["sequence"], place["day"]
    leaf = {
        "stream": chain["stream"],
        "subject": chain["subject"],
        "sequence": sequence,
        "hash": chain["events"][sequence - 1]["hash"],
    }
    node = hashlib.sha256(b"\x00" + canonical(leaf)).digest()
    for side, neighbor in place["path"]:
        if side not in {"left", "right"}:
            yield f"its path to the root of {day} cannot be read"
        pair = bytes.fromhex(neighbor) + node if side == "left" else node + bytes.fromhex(neighbor)
        node = hashlib.sha256(b"\x01" + pair).digest()
    if node.hex() != roots[day]["statement"]["root"]:
        yield f"event {sequence} is not in the root of {day}"
    notes.append(f"{name}: {count} events, {sequence} of them in the root of {day}")


def check_root(day: str, published: Json, keys: dict[str, bytes], notes: list[str]) -> Iterator[str]:
    """The statement is about that day and was signed by a known key."""
    statement = published["statement"]
    if statement["day"] != day:
        yield f"it is about {statement['day']}"
    key = keys.get(statement["key_id"])
    if key is None or hashlib.sha256(key).hexdigest()[:16] != statement["key_id"]:
        yield f"its key {statement['key_id']} is not known"
        return
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        notes.append(f"root of {day}: signature not checked (pip install cryptography)")
        return
    signature = base64.b64decode(published["signature"], validate=True)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, canonical(statement))
    except InvalidSignature:
        yield "its signature is wrong"


def canonical(content: Json) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def read(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
