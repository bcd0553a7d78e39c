"""`manage.py migrate`: Django's, with as long as it takes: an index of a large table is not built in 15 seconds."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        self._say(options, "SET statement_timeout = 0")
        super().handle(*args, **options)
        self._say(options, "RESET statement_timeout")

    def _say(self, options: dict[str, Any], sql: str) -> None:
        with connections[options["database"]].cursor() as cursor:
            cursor.execute(sql)
