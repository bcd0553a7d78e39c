"""`python manage.py squash`: write the migration that makes an empty database at once, as all others make it together.

It replaces every migration that is there now. In each app an empty one comes after them, for `makemigrations` to go on
from: Django looks for the last of an app's own. (docs/decisions/0030)
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db.migrations import CreateModel, Migration
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from cardshop.at_once import HOME, NAME, TAIL, CreateAtOnce, OneByOne, our_apps


class Command(BaseCommand):
    help = "写出一次建成空库的迁移 / write the migration that makes an empty database at once"

    def handle(self, *args: Any, **options: Any) -> None:
        loader = OneByOne(None)
        ours = our_apps()
        last = {app: _last(loader.graph, app) for app in ours}
        tails = {key for key in last.items() if key[1].endswith(TAIL) and not loader.graph.node_map[key].children}
        replaced = sorted(key for key in loader.disk_migrations if key[0] in ours and key not in tails)
        state = loader.project_state()
        tables = {app: _tables(state, app) for app in ours}
        words = {
            "replaces": replaced,
            "dependencies": _from_outside(loader.graph, ours),
            "operations": [CreateAtOnce(tables)],
        }
        migration = type("Migration", (Migration,), words)(NAME, HOME)
        _file(HOME, NAME).write_text(_text(migration), "utf-8")
        for app, name in last.items():
            if (app, name) not in tails:
                _file(app, _after(name)).write_text(LAST.format(app=app, name=name), "utf-8")
        self.stdout.write(f"{HOME}.{NAME}: {len(replaced)}")


def _last(graph: MigrationGraph, app: str) -> str:
    ((_, name),) = graph.leaf_nodes(app)  # makemigrations --merge first, if there are two
    return str(name)


def _from_outside(graph: MigrationGraph, ours: list[str]) -> list[tuple[str, str]]:
    """The others' migrations that ours build on."""
    return sorted({
        parent.key for key, node in graph.node_map.items() if key[0] in ours
        for parent in node.parents if parent.key[0] not in ours
    })  # fmt: skip


def _tables(state: ProjectState, app: str) -> list[CreateModel]:
    return [_create(model) for (label, _), model in state.models.items() if label == app]


def _create(model: ModelState) -> CreateModel:
    options = {name: value for name, value in model.options.items() if value != []}
    return CreateModel(model.name, list(model.fields.items()), options, model.bases, model.managers)


def _file(app: str, name: str) -> Path:
    return Path(apps.get_app_config(app).path, "migrations", f"{name}.py")


def _after(name: str) -> str:
    found = re.match(r"\d+", name)
    assert found
    return f"{int(found[0]) + 1:04}{TAIL}"


def _text(migration: Migration) -> str:
    """As Django writes it, with what is not a table before and after."""
    text = MigrationWriter(migration, include_header=False).as_string()
    text = text.replace("import cardshop.at_once\n", f"import cardshop.at_once\nimport {BESIDE}\n")
    text = text.replace("    operations = [\n", f"    operations = [\n        *{BESIDE}.BEFORE,\n")
    head, _, tail = text.rpartition("    ]\n")
    return f"{ABOUT}\n{head}        *{BESIDE}.AFTER,\n    ]\n{tail}"


BESIDE = f"{HOME}.migrations._beside_tables"
ABOUT = '"""Written by `manage.py squash`: all that an empty database needs, at once (docs/decisions/0030)."""\n'
LAST = f'''"""Up to here `{HOME}.{NAME}` makes an empty database at once; new migrations come after."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("{{app}}", "{{name}}")]
'''
