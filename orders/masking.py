"""遮盖卡密: what looks like a code, or is one of this order's, is never written into a talk (PM16).

This order's own codes are recognized by their keyed fingerprints, so no code is opened for it. Somebody may write them
in parts, in the other case, or without their dashes: every run of neighboring words is tried, in these spellings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db.models import Q, QuerySet

from orders.models import Order
from shops import vault
from shops.models import CardCode

MASK = "••••"
LONGEST_RUN = 10  # words of one code, written apart; more where they are so short that all of them are
LONGEST_CODE = 32  # letters of one that is tried with its dashes anywhere, or written letter by letter

WORD = re.compile(r"[A-Za-z0-9]+")
CHUNK = re.compile(r"\S+")
LINE = re.compile(r"[^\n]+")
#: Our own numbers are no secrets: order, refund and top-up, as ``identifiers.public_number`` makes them.
PUBLIC_NUMBER = re.compile(r"[DRT][0-9A-HJKMNP-TV-Z]{14}")
CODE_LIKE = [
    re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)[A-Za-z0-9]{12,}(?![A-Za-z0-9])"),
    # 4-4-4…, and as uneven as a UUID.
    re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z_.-]*\d)[A-Za-z0-9]{4,}(?:[-_.–—][A-Za-z0-9]{4,}){2,}(?![A-Za-z0-9])"),
    re.compile(r"(?<![A-Za-z0-9])(?=[A-Z ]*\d)[A-Z0-9]{4,6}(?: [A-Z0-9]{4,6}){2,}(?![A-Za-z0-9])"),
]


def mask(order: Order, text: str) -> str:
    """The text with every code in it cut to ``••••`` and its last two characters."""
    same = plain(text)
    spans = [*_code_like(same), *_own_codes(order, same)]
    return _cover(text, _merged(spans))


def plain(text: str) -> str:
    """The same text letter by letter, with full-width letters as the plain ones, so that places stay where they are."""
    return "".join(_plain_letter(letter) for letter in text)


def _plain_letter(letter: str) -> str:
    same = unicodedata.normalize("NFKC", letter)
    return same if len(same) == 1 else letter


def _code_like(text: str) -> Iterator[tuple[int, int]]:
    for pattern in CODE_LIKE:
        for found in pattern.finditer(text):
            if not PUBLIC_NUMBER.fullmatch(found.group()):
                yield found.span()


def _own_codes(order: Order, text: str) -> list[tuple[int, int]]:
    """Where one of this order's codes stands, in whatever spelling."""
    mine = {bytes(mark) for mark in _codes_of(order).values_list("fingerprint", flat=True)}
    if not mine:
        return []
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    known: dict[str, bool] = {}

    def is_mine(spelling: str) -> bool:
        if spelling not in known:
            known[spelling] = keyring.fingerprint(spelling) in mine
        return known[spelling]

    runs, wholes = _candidates(text)
    found = [span for span in runs if any(is_mine(one) for one in _spellings(text[slice(*span)]))]
    return found + [span for span in wholes if any(is_mine(one) for one in _cases(text[slice(*span)]))]


def _codes_of(order: Order) -> QuerySet[CardCode]:
    return CardCode.objects.filter(Q(delivery__line__order=order) | Q(reservations__line__order=order))


def _candidates(text: str) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Every run of neighboring words that may be one code; and every chunk between blanks, every line, and all of it.

    The latter are compared as they are written: spelled anew, a sentence around a code would be taken for the code.
    """
    words = [found.span() for found in WORD.finditer(text)]
    runs = {span for first in range(len(words)) for span in _runs(words[first:])}
    wholes = {found.span() for pattern in (CHUNK, LINE) for found in pattern.finditer(text)}
    return runs, wholes | {(0, len(text))}


def _runs(words: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """From the first of these words to each one behind it."""
    letters = 0
    for count, (start, end) in enumerate(words[:LONGEST_CODE], start=1):
        letters += end - start
        if count > LONGEST_RUN and letters > LONGEST_CODE:
            return
        yield words[0][0], end


def _spellings(written: str) -> set[str]:
    """How the code itself may be spelled: as written, closed up, or dashed; in either case."""
    words = WORD.findall(written)
    closed = "".join(words)
    spelled = {written, closed, "-".join(words)}
    if len(closed) <= LONGEST_CODE:  # without its dashes, or with others
        spelled |= {"-".join(closed[at : at + size] for at in range(0, len(closed), size)) for size in (3, 4, 5)}
    return {each for same in spelled for each in _cases(same)}


def _cases(written: str) -> set[str]:
    return {each for each in (written, written.upper(), written.lower()) if each}


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _cover(text: str, spans: list[tuple[int, int]]) -> str:
    """Of short ones nothing is shown: two characters would be half of it."""
    parts, at = [], 0
    for start, end in spans:
        shown = text[end - 2 : end] if end - start >= 8 else ""
        parts += [text[at:start], MASK, shown]
        at = end
    return "".join([*parts, text[at:]])
