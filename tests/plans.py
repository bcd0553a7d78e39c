"""How PostgreSQL would find rows, whatever it believes of the tables of a test.

A test's tables are almost empty, and what is known of them depends on when the server last counted: of several plans
that cost next to nothing either may win. What such a test asks is whether an index *can* serve: what needs none is made
dear.
"""

from __future__ import annotations

from django.db import connection

OTHER_WAYS = ("enable_seqscan", "enable_bitmapscan")
SORTS = ("enable_sort", "enable_incremental_sort")


def only_by_index(*, may_sort: bool = False) -> None:
    """Until the transaction ends, rows are found by an index and, unless sorting is allowed, come in its order."""
    with connection.cursor() as cursor:
        for way in OTHER_WAYS if may_sort else OTHER_WAYS + SORTS:
            cursor.execute("SELECT set_config(%s, 'off', true)", [way])
