"""共享缓存: the counts of throttles, in PostgreSQL, so that losing Redis opens no door.

Django's own backend counts the whole table before it writes a row, looks for the row, and then writes it; two that
write a new row at once lose one; and above 300 rows it throws living ones away, by their names. Here a write is one
statement that always counts, and what has expired alone is thrown away, now and then.
"""

from __future__ import annotations

import base64
import pickle
import random
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.db import connection

ONE_IN = 200  # writes that look for what has expired
KEPT_FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)


class SharedCache(DatabaseCache):
    """The table and the way of reading are Django's."""

    _table: str

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        key = self.make_and_validate_key(key, version=version)
        until = self.get_backend_timeout(timeout)
        expires = KEPT_FOR_EVER if until is None else datetime.fromtimestamp(until, UTC).replace(microsecond=0)
        written = base64.b64encode(pickle.dumps(value, self.pickle_protocol)).decode("ascii")
        with connection.cursor() as cursor:
            cursor.execute(WRITE.format(table=self._table), [key, written, expires])
            if random.randrange(ONE_IN) == 0:  # noqa: S311 - no secret
                cursor.execute(EXPIRE.format(table=self._table))

    def _cull(self, db: str, cursor: Any, now: datetime, num: int) -> None:
        """Called by ``add``, where there are many rows."""
        cursor.execute(EXPIRE.format(table=self._table))


WRITE = """
INSERT INTO {table} (cache_key, value, expires) VALUES (%s, %s, %s)
ON CONFLICT (cache_key) DO UPDATE SET value = EXCLUDED.value, expires = EXCLUDED.expires
"""
EXPIRE = "DELETE FROM {table} WHERE expires < now()"
