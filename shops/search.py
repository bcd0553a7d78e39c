"""搜索: products by the characters of their names, Chinese words of any length, at a cost that no stock changes.

Every one and every two neighboring characters of a name are its terms; the database makes them and keeps, for each
term, the listed products that bear it (``ProductTerm``). A search reads the newest of those under its rarest term, and
of these keeps what bears the other terms too (docs/decisions/0010).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from shops.models import Product, ProductTerm

LONGEST_QUERY = 40
MOST_TERMS = 12  # of a query: more make it no narrower
MOST_LOOKED_AT = 2_000  # products under the rarest term, the newest first
_COUNTED_TO = 300  # a term with more is called common


@dataclass(frozen=True)
class Found:
    """What a search found, to be cut into pages. ``is_cut``: older ones may match as well; one more word finds them."""

    products: QuerySet[Product]
    is_cut: bool


def find(products: QuerySet[Product], query: str) -> Found:
    """Those of ``products`` whose names hold every word of the query. No word at all finds nothing."""
    wanted = wanted_terms(query)
    if not wanted:
        return Found(products.none(), is_cut=False)
    rarest = _rarest(wanted)
    newest = ProductTerm.objects.filter(term=rarest).order_by("-product_id").values("product_id")
    is_cut = newest[MOST_LOOKED_AT : MOST_LOOKED_AT + 1].exists()
    hits = products.filter(pk__in=newest[:MOST_LOOKED_AT])
    return Found(hits.filter(search_terms__contains=wanted) if wanted != [rarest] else hits, is_cut)


def terms(name: str) -> list[str]:
    """What a product of this name is found by; ``shops_search_terms`` of the database says the same."""
    plain = _plain(name)
    return sorted(set(plain) | set(_pairs(plain)))


def wanted_terms(query: str) -> list[str]:
    """The terms that a name must have: of a word its pairs, which its single characters follow from."""
    words = unicodedata.normalize("NFKC", query[:LONGEST_QUERY].replace("\0", "")).split()
    found = [term for word in words for term in (_pairs(_plain(word)) or [_plain(word)]) if term]
    return list(dict.fromkeys(found))[:MOST_TERMS]


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


def _pairs(plain: str) -> list[str]:
    return [plain[place : place + 2] for place in range(len(plain) - 1)]


def _rarest(wanted: Sequence[str]) -> str:
    """The term that fewest products bear. Counted no further than where it stops to matter."""
    if len(wanted) == 1:
        return wanted[0]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [_COUNTED_TO, list(wanted)])
        counts = dict(cursor.fetchall())
    return min(wanted, key=lambda term: counts[term])


_COUNT = """
SELECT term, (SELECT count(*) FROM (
    SELECT FROM shops_productterm AS held WHERE held.term = wanted.term LIMIT %s
) AS few)
FROM unnest(%s::varchar[]) AS wanted (term)
"""
