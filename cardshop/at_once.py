"""一次建成: an empty database is made at once; one that stands anywhere else goes on one migration at a time.

One migration replaces all of ours, of all apps. So it is all or nothing: where any of them was applied before, Django
leaves it aside. One for each app would meet databases in which some apps are old and others are not there yet.
(docs/decisions/0030)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pgtrigger.migrations
from django.apps import apps
from django.conf import settings
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import CreateModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

HOME, NAME = "cardshop", "0001_squashed_all_apps"  # the migration that replaces all
TAIL = "_made_at_once"  # how the empty migration after them is called, in each app

Tables = Mapping[str, Sequence[CreateModel]]


class CreateAtOnce(Operation):
    """Makes the tables of all apps, with all that belongs to them, and lets Django draw its picture of them once.

    A migration that adds one thing to one model has Django draw all models around it anew, as they were then: of the
    time that a thousand such additions take, nine parts in ten.
    """

    reversible = False
    serialization_expand_args = ["tables"]

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return "CreateAtOnce", [], {"tables": self.tables}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        state.__dict__.pop("apps", None)  # drawn already, it would be drawn again after each table
        for app, create in self._each():
            create.state_forwards(app, state)

    def database_forwards(
        self, app_label: str, editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for app, create in self._each():
            create.database_forwards(app, editor, from_state, to_state)
        self._finish(editor)
        for app, create in self._each():
            for trigger in create.options.get("triggers", []):
                add = pgtrigger.migrations.AddTrigger(create.name.lower(), trigger)
                add.database_forwards(app, editor, from_state, to_state)

    def describe(self) -> str:
        return "Create all tables at once"

    def _finish(self, editor: BaseDatabaseSchemaEditor) -> None:
        """Foreign keys and indexes now: what waits for the end is not recorded in the transaction that does it."""
        for statement in editor.deferred_sql:
            editor.execute(statement, None)
        editor.deferred_sql.clear()

    def _each(self) -> Iterator[tuple[str, CreateModel]]:
        for app, creates in self.tables.items():
            for create in creates:
                yield app, create


class OneByOne(MigrationLoader):
    """The migrations without those that replace others: the way that a database of before goes."""

    def load_disk(self) -> None:
        super().load_disk()
        self.disk_migrations = {
            key: migration for key, migration in self.disk_migrations.items() if not migration.replaces
        }


def our_apps() -> list[str]:
    """Apps whose code lies in this project, and that have tables."""
    here = Path(settings.BASE_DIR)
    return sorted(
        config.label for config in apps.get_app_configs()
        if Path(config.path).parent == here and Path(config.path, "migrations").is_dir()
    )  # fmt: skip
