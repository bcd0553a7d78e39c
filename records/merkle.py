"""默克尔树, as in RFC 6962: a leaf's hash begins with 00, a node's with 01, so that neither passes for the other.

Beside the root stand the paths that lead to it: with one, a single leaf is shown to be in a tree of a million.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()  # the root of a day on which nothing happened


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes, in one pass; keeps one hash for each level of the tree."""
    complete: list[tuple[int, bytes]] = []  # (leaves below, hash), each half of the one before it or smaller
    for leaf in leaves:
        size, node = 1, leaf
        while complete and complete[-1][0] == size:
            node = node_hash(complete.pop()[1], node)
            size *= 2
        complete.append((size, node))
    if not complete:
        return EMPTY
    _, root = complete.pop()
    while complete:
        root = node_hash(complete.pop()[1], root)
    return root


def split(leaves: bytes, first: int = 0, last: int | None = None) -> Iterable[bytes]:
    """One leaf after the other, of those from ``first`` to before ``last``; by default of all."""
    end = len(leaves) if last is None else last * HASH_BYTES
    return (leaves[start : start + HASH_BYTES] for start in range(first * HASH_BYTES, end, HASH_BYTES))


def path_to(index: int, leaves: bytes) -> list[tuple[str, bytes]]:
    """From one leaf up to the root: which side the neighbor stands on, and its hash. ``leaves``: 32 bytes each."""
    path: list[tuple[str, bytes]] = []
    first, last = 0, len(leaves) // HASH_BYTES
    if not 0 <= index < last:
        raise IndexError(f"leaf {index} of {last}")
    while last - first > 1:
        middle = first + _left_of(last - first)
        if index < middle:
            path.append(("right", root_of(split(leaves, middle, last))))
            last = middle
        else:
            path.append(("left", root_of(split(leaves, first, middle))))
            first = middle
    return path[::-1]


def index_of(leaf: bytes, leaves: bytes) -> int | None:
    """Where a leaf stands; None if the tree does not hold it."""
    start = leaves.find(leaf)
    while start != -1 and start % HASH_BYTES:  # found across two leaves: chance, but not a leaf
        start = leaves.find(leaf, start + 1)
    return None if start == -1 else start // HASH_BYTES


def _left_of(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
