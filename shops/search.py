"""搜索: products by the characters of their names, Chinese words of any length, at a cost that no stock changes.

Every one and every two neighboring characters of a name are its terms; the database makes them and keeps, for each
term, the listed products that bear it (``ProductTerm``). A search goes through those under its rarest term, the newest
first, and keeps what bears the other terms too, until it has enough (docs/decisions/0010).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from shops.models import Category, Product

LONGEST_QUERY = 40
MOST_TERMS = 12  # of a query: more make it no narrower
MOST_HITS = 120  # five pages: who leafs on is better served by one more word
MOST_LOOKED_AT = 400  # products under the rarest term


@dataclass(frozen=True)
class Found:
    """What a search found, to be cut into pages. ``is_cut``: older ones may match as well; one more word finds them."""

    products: QuerySet[Product]
    is_cut: bool


def find(products: QuerySet[Product], query: str, *, category: Category | None = None) -> Found:
    """Those of ``products`` (in open shops, of this category) whose names hold every word. No word finds nothing."""
    wanted = wanted_terms(query)
    if not wanted:
        return Found(products.none(), is_cut=False)
    hits, is_cut = _newest(wanted, category.pk if category else None)
    return Found(products.filter(pk__in=hits), is_cut)


def wanted_terms(query: str) -> list[str]:
    """The terms that a name must have: of a word its pairs, which its single characters follow from."""
    words = unicodedata.normalize("NFKC", query[:LONGEST_QUERY].replace("\0", "")).split()
    found = [term for word in words for term in (_pairs(_plain(word)) or [_plain(word)]) if term]
    return list(dict.fromkeys(found))[:MOST_TERMS]


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


def _pairs(plain: str) -> list[str]:
    return [plain[place : place + 2] for place in range(len(plain) - 1)]


def _newest(wanted: Sequence[str], category_id: int | None) -> tuple[list[int], bool]:
    """The newest products that bear all these terms, and whether there may be more of them."""
    with connection.cursor() as cursor:
        rarest, *others = _rarest_first(cursor, wanted)
        bears_others = " ".join([_BEARS] * len(others))
        cursor.execute(
            _HITS.format(bears_others=bears_others),
            [rarest, MOST_LOOKED_AT, *others, category_id, category_id, MOST_HITS],
        )
        hits = [key for (key,) in cursor.fetchall()]
        if len(hits) == MOST_HITS:
            return hits, True
        cursor.execute(_IS_LONGER, [rarest, MOST_LOOKED_AT])
        return hits, cursor.fetchone() is not None


def _rarest_first(cursor: CursorWrapper, wanted: Sequence[str]) -> list[str]:
    """By how far back the newest of each go: the rarer a term, the older its hundredth product."""
    if len(wanted) == 1:
        return list(wanted)
    cursor.execute(_HOW_RARE, [list(wanted), _SAMPLED])
    found = {term: (count, oldest or 0) for term, count, oldest in cursor.fetchall()}
    return sorted(wanted, key=lambda term: found[term])


_SAMPLED = 100
_HOW_RARE = """
SELECT term, sample.count, sample.oldest FROM unnest(%s::varchar[]) AS wanted (term) CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(product_id) AS oldest FROM (
        SELECT product_id FROM shops_productterm AS held WHERE held.term = wanted.term
        ORDER BY product_id DESC LIMIT %s
    ) AS newest
) AS sample
"""
# One product after the other, and no further than needed: its other terms by their index, then its row. OFFSET 0 keeps
# the planner from joining whole lists of terms, or all products, instead.
_HITS = """
SELECT newest.product_id FROM (
    SELECT product_id FROM shops_productterm WHERE term = %s ORDER BY product_id DESC LIMIT %s
) AS newest {bears_others} CROSS JOIN LATERAL (
    SELECT FROM shops_product WHERE id = newest.product_id AND (%s::bigint IS NULL OR category_id = %s)
        AND shop_id NOT IN (SELECT id FROM shops_shop WHERE status <> 'open') OFFSET 0
) AS product
ORDER BY newest.product_id DESC LIMIT %s
"""
_BEARS = """CROSS JOIN LATERAL (
    SELECT FROM shops_productterm AS held WHERE held.term = %s AND held.product_id = newest.product_id OFFSET 0
)"""
_IS_LONGER = "SELECT TRUE FROM shops_productterm WHERE term = %s ORDER BY product_id DESC OFFSET %s LIMIT 1"
