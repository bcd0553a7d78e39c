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
JSON is always written the same way: keys in order, no blanks, UTF-8.
"""

import base64
import hashlib
import json
import sys


def main(words):
    if not 1 <= len(words) <= 2:
        print(__doc__)
        return 2
    try:
        record = read(words[0])
        keys = read(words[1])["keys"] if len(words) == 2 else record["keys"]
        problems, notes = check(record, {each["key_id"]: base64.b64decode(each["public_key"]) for each in keys})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problems, notes = ["not a record that can be read (%s: %s)" % (type(error).__name__, error)], []
    for line in notes:
        print("  " + line)
    for line in problems:
        print("✗ " + line)
    print("✗ 存证被改动或不完整 / changed or incomplete" if problems else "✓ 存证没有改动 / nothing was changed")
    return 1 if problems else 0


def check(record, keys):
    """What does not fit, and what is worth knowing."""
    problems, notes = [], []
    if record["format"] != "cardshop-record-1":
        problems.append("unknown format %r" % record["format"])
    if not record["chains"]:
        problems.append("it holds no events")
    for day, published in sorted(record["roots"].items()):
        problems += ["root of %s: %s" % (day, problem) for problem in check_root(day, published, keys, notes)]
    for chain in record["chains"]:
        name = "%s %s" % (chain["stream"], chain["number"])
        problems += ["%s: %s" % (name, problem) for problem in check_chain(chain)]
        problems += ["%s: %s" % (name, problem) for problem in check_place(chain, record["roots"], name, notes)]
    return problems, notes


def check_chain(chain):
    """Every event follows on the one before and is what was hashed."""
    if not chain["events"]:
        yield "it holds no events"
    before = bytes(32)
    for number, event in enumerate(chain["events"], start=1):
        content = event["content"]
        personal_digest = bytes.fromhex(event["personal_digest"])
        if (content["stream"], content["subject"]) != (chain["stream"], chain["subject"]):
            yield "event %d belongs to another chain" % number
        if content["sequence"] != number:
            yield "event %d is missing, or out of order" % number
        if bytes.fromhex(event["previous_hash"]) != before:
            yield "event %d does not follow the one before it" % number
        if "salt" in event:
            salted = bytes.fromhex(event["salt"]) + canonical(event["personal"])
            if hashlib.sha256(salted).digest() != personal_digest:
                yield "event %d: its personal details were changed" % number
        expected = hashlib.sha256(before + canonical(content) + personal_digest).digest()
        if bytes.fromhex(event["hash"]) != expected:
            yield "event %d (%s) was changed" % (number, content["at"])
        before = bytes.fromhex(event["hash"])


def check_place(chain, roots, name, notes):
    """The chain, up to one of its events, is a leaf of a published root."""
    place = chain["place"]
    count = len(chain["events"])
    if place is None:
        notes.append("%s: %d events, in no published root yet" % (name, count))
        return
    event = chain["events"][place["sequence"] - 1]
    leaf = {
        "stream": chain["stream"],
        "subject": chain["subject"],
        "sequence": place["sequence"],
        "hash": event["hash"],
    }
    node = hashlib.sha256(b"\x00" + canonical(leaf)).digest()
    for side, neighbor in place["path"]:
        pair = bytes.fromhex(neighbor) + node if side == "left" else node + bytes.fromhex(neighbor)
        node = hashlib.sha256(b"\x01" + pair).digest()
    if node.hex() != roots[place["day"]]["statement"]["root"]:
        yield "event %d is not in the root of %s" % (place["sequence"], place["day"])
    notes.append("%s: %d events, %d of them in the root of %s" % (name, count, place["sequence"], place["day"]))


def check_root(day, published, keys, notes):
    """The statement is about that day and was signed by a known key."""
    statement = published["statement"]
    if statement["day"] != day:
        yield "it is about %s" % statement["day"]
    key = keys.get(statement["key_id"])
    if key is None or hashlib.sha256(key).hexdigest()[:16] != statement["key_id"]:
        yield "its key %s is not known" % statement["key_id"]
        return
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        notes.append("root of %s: signature not checked (pip install cryptography)" % day)
        return
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(published["signature"]), canonical(statement))
    except InvalidSignature:
        yield "its signature is wrong"


def canonical(content):
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
