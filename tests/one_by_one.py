"""Migrating as a database of before does: one migration at a time, back and forth."""

from __future__ import annotations

from typing import Any

from django.db.migrations.executor import MigrationExecutor

from cardshop.at_once import OneByOne


class OneByOneExecutor(MigrationExecutor):
    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.loader = OneByOne(connection)
