"""遮盖卡密: what looks like a code, or is one of this order's, is never written into a talk (PM16).

This order's own codes are recognized by their keyed fingerprints, so no code is opened for it. Somebody may write them
in parts, in the other case, or without their dashes: every run of neighboring words is tried, in these spellings. What
was said just before by the same author counts as well: of a code in two messages the second part is masked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence

from django.conf import settings

from orders.models import Delivery, Order, Replacement, Reservation
from shops import vault
from shops.models import CardCode

MASK = "••••"
LONGEST_RUN = 10  # words of one code, written apart; more where they are so short that all of them are
LONGEST_CODE = 32  # letters of one that is tried with its dashes anywhere, or written letter by letter
LONGEST_BEFORE = 200  # letters said before that are looked at
MOST_PIECES = 16  # of what was said before, and of what is said now, that are tried as the two parts of a code

#: Marks that show letters in another order than they are written in.
TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])

WORD = re.compile(r"[A-Za-z0-9]+")
PIECE = re.compile(r"[A-Za-z0-9]+(?:[-_.–—][A-Za-z0-9]+)*")
CHUNK = re.compile(r"\S+")
LINE = re.compile(r"[^\n]+")
#: Our own numbers are no secrets: order, refund, top-up, ticket and complaint, as ``identifiers.public_number`` makes
#: them.
PUBLIC_NUMBER = re.compile(r"[DRTGC][0-9A-HJKMNP-TV-Z]{14}")
CODE_LIKE = [
    re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)[A-Za-z0-9]{12,}(?![A-Za-z0-9])"),
    # 4-4-4…, and as uneven as a UUID.
    re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z_.-]*\d)[A-Za-z0-9]{4,}(?:[-_.–—][A-Za-z0-9]{4,}){2,}(?![A-Za-z0-9])"),
    re.compile(r"(?<![A-Za-z0-9])(?=[A-Z ]*\d)[A-Z0-9]{4,6}(?: [A-Z0-9]{4,6}){2,}(?![A-Za-z0-9])"),
]


Span = tuple[int, int]
IsMine = Callable[[str], bool]  # whether this spelling is a code of the orders that are talked about


def mask(order: Order, text: str, *, before: Sequence[str] = ()) -> str:
    """The text with every code in it cut to ``••••`` and its last two characters. ``before``: what the same author said
    just before, the oldest first; it stands, so what completes a code of the order there is masked here.
    """
    return mask_about([order.pk], text, before=before)


def mask_about(order_ids: Collection[int], text: str, *, before: Sequence[str] = ()) -> str:
    """The same of what is said about several orders at once."""
    if not text.strip():
        return text
    same = plain(text)
    is_mine = _known_codes(order_ids)
    return _cover(text, _merged([*_code_like(same), *_own_codes(same, is_mine), *_second_parts(before, same, is_mine)]))


def mask_own(order_ids: Collection[int], text: str) -> str:
    """What staff write about these orders, without their codes. A bank's or a supplier's number stays as it is."""
    return _cover(text, _merged(_own_codes(plain(text), _known_codes(order_ids)))) if text.strip() else text


def mask_any(text: str) -> str:
    """What staff write to the buyers of many orders, without any code that is or was in our stock."""
    return _cover(text, _merged(_own_codes(plain(text), _codes_in(plain(text)))))


def mask_alike(text: str) -> str:
    """What is said about no order: without anything that looks like a code."""
    return _cover(text, _merged(list(_code_like(plain(text)))))


def tidy(text: str) -> str:
    """What somebody typed in, as it is kept: without zeros, with one kind of line end, without blanks around it.

    Nothing turns it around where it is shown: it reads as it is searched for codes. What nobody sees is nothing.
    """
    said = text.replace("\0", "").replace("\r\n", "\n").translate(TURNS).strip()
    return said if any(letter.isprintable() and not letter.isspace() for letter in said) else ""


def plain(text: str) -> str:
    """The same text letter by letter, with full-width letters as the plain ones, so that places stay where they are."""
    return "".join(_plain_letter(letter) for letter in text)


def _plain_letter(letter: str) -> str:
    same = unicodedata.normalize("NFKC", letter)
    return same if len(same) == 1 else letter


def _code_like(text: str) -> Iterator[Span]:
    for pattern in CODE_LIKE:
        for found in pattern.finditer(text):
            if not PUBLIC_NUMBER.fullmatch(found.group()):
                yield found.span()


def _known_codes(order_ids: Collection[int]) -> IsMine | None:
    """Knows the codes of these orders by their fingerprints; None where they have none."""
    delivered = Delivery.objects.filter(line__order__in=order_ids, code__isnull=False)
    kept = Reservation.objects.filter(line__order__in=order_ids)
    replaced = Replacement.objects.filter(line__order__in=order_ids)
    marks = delivered.values_list("code__fingerprint").union(
        kept.values_list("code__fingerprint"), replaced.values_list("old_code__fingerprint")
    )
    mine = {bytes(mark) for (mark,) in marks}
    if not mine:
        return None
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    known: dict[str, bool] = {}

    def is_mine(spelling: str) -> bool:
        if spelling not in known:
            known[spelling] = keyring.fingerprint(spelling) in mine
        return known[spelling]

    return is_mine


def _codes_in(text: str) -> IsMine:
    """Knows those codes of our stock that this text may hold. As many fingerprints as it has spellings, one query."""
    runs, wholes = _candidates(text)
    spelled = {spelling for span in runs for spelling in _spellings(text[slice(*span)])}
    spelled |= {spelling for span in wholes for spelling in _cases(text[slice(*span)])}
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    marks = {spelling: keyring.fingerprint(spelling) for spelling in spelled}
    stock = CardCode.objects.filter(fingerprint__in=set(marks.values()), restocked_as=None)  # its newest row
    held = {bytes(mark) for mark in stock.values_list("fingerprint", flat=True)}
    return lambda spelling: marks[spelling] in held


def _own_codes(text: str, is_mine: IsMine | None) -> list[Span]:
    """Where one of the orders' codes stands, in whatever spelling."""
    if is_mine is None:
        return []
    runs, wholes = _candidates(text)
    found = [span for span in runs if any(map(is_mine, _spellings(text[slice(*span)])))]
    return found + [span for span in wholes if any(map(is_mine, _cases(text[slice(*span)])))]


def _candidates(text: str) -> tuple[set[Span], set[Span]]:
    """Every run of neighboring words that may be one code; and every chunk between blanks, every line, and all of it.

    The latter are compared as they are written: spelled anew, a sentence around a code would be taken for the code.
    """
    words = [found.span() for found in WORD.finditer(text)]
    runs = {span for first in range(len(words)) for span in _runs(words[first:])}
    wholes = {found.span() for pattern in (CHUNK, LINE) for found in pattern.finditer(text)}
    return runs, wholes | {(0, len(text))}


def _runs(words: Sequence[Span]) -> Iterator[Span]:
    """From the first of these words to each one behind it."""
    letters = 0
    for count, (start, end) in enumerate(words[:LONGEST_CODE], start=1):
        letters += end - start
        if count > LONGEST_RUN and letters > LONGEST_CODE:
            return
        yield words[0][0], end


def _second_parts(before: Sequence[str], text: str, is_mine: IsMine | None) -> list[Span]:
    """What of this text makes a code, together with something that was said before it."""
    said = plain("\n".join(before))[-LONGEST_BEFORE:]
    if is_mine is None or not said:
        return []
    return [*_over_the_edge(said, text, is_mine), *_pairs(said, text, is_mine)]


def _over_the_edge(said: str, text: str, is_mine: IsMine) -> Iterator[Span]:
    """Codes that begin there and end here, as if both had been one message."""
    word = WORD.search(text)
    for glue in ("\n", ""):
        edge, joined = len(said) + len(glue), said + glue + text
        words = [found.span() for found in WORD.finditer(joined)]
        runs = {span for first, (start, _end) in enumerate(words) if start < len(said) for span in _runs(words[first:])}
        wholes = {found.span() for pattern in (CHUNK, LINE) for found in pattern.finditer(joined)} | {(0, len(joined))}
        for spans, first_letter, spelled in ((runs, word.start() if word else 0, _spellings), (wholes, 0, _cases)):
            for start, end in spans:
                if start < len(said) and end > edge and any(map(is_mine, spelled(joined[start:end]))):
                    yield min(first_letter, end - edge - 1), end - edge


def _pairs(said: str, text: str, is_mine: IsMine) -> Iterator[Span]:
    """Two parts with other words around them, in whichever order they were sent."""
    pieces = PIECE.findall(said)[-MOST_PIECES:]
    for found in list(PIECE.finditer(text))[:MOST_PIECES]:
        here = found.group()
        for there in pieces:
            for whole in (f"{there}-{here}", f"{here}-{there}"):
                if any(map(is_mine, _spellings(whole))):
                    yield found.span()


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


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _cover(text: str, spans: list[Span]) -> str:
    """Of short ones nothing is shown: two characters would be half of it."""
    parts, at = [], 0
    for start, end in spans:
        shown = text[end - 2 : end] if end - start >= 8 else ""
        parts += [text[at:start], MASK, shown]
        at = end
    return "".join([*parts, text[at:]])
