"""A worker in a process of its own that takes turns at imports: `python -m tests.shops.importer`. Says how many."""

from __future__ import annotations

import django


def main() -> None:
    from django.db import connection

    import clock
    from shops import importing

    with connection.cursor() as cursor:  # who kills it may be slow
        cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
    while True:
        turns = importing.sweep(at=clock.now())
        print(turns, flush=True)
        if not turns:
            return


if __name__ == "__main__":
    django.setup()
    main()
