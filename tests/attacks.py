"""SQL against the rules that stand in the database itself: what it says to each, and whether every rule is tried.

Each app's attacks stand in ``tests/<app>/test_constraints.py``, or in tables beside it. Names of rules are read from
the models, so that a rule without an attack, or an append-only table without a row to attack, fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pgtrigger
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction

Attacks = Mapping[str, tuple[str, str]]  # what is tried: its SQL, and the name in the refusal


def refusal(sql: str) -> str:
    """What the database says to it. Deferred constraints speak now instead of at the commit."""
    with transaction.atomic():
        mark = transaction.savepoint()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing pending of what came before
                cursor.execute(sql)
                changed = cursor.rowcount
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except DatabaseError as error:
            return str(error)
        else:
            return f"NOT REFUSED, {changed} rows: {sql}"
        finally:
            transaction.savepoint_rollback(mark)


@contextmanager
def damaged(sql: str) -> Iterator[None]:
    """Inside, the guards were off for this statement, as for the database's owner; undone afterwards."""
    with transaction.atomic():
        mark = transaction.savepoint()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            if "ALTER" not in sql:
                cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(sql)
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        yield
        transaction.savepoint_rollback(mark)


def another(label: str, where: str = "true", beside: str = "", **changes: str) -> str:
    """SQL that writes one more row, like one that is there, with some columns changed: ``another("orders.Order")``.

    With ``beside`` (", unnest(…) AS n") one for each row of that.
    """
    model = apps.get_model(label)
    table = model._meta.db_table
    columns = [field.column for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    given = {"id": "gen_random_uuid()"} | changes
    values = ", ".join(given.get(column, f"{table}.{column}") for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}{beside} WHERE {where}" + (
        "" if beside else " LIMIT 1"
    )


def rules_of(*labels: str) -> set[str]:
    """The names of all constraints of these apps' models."""
    return {rule.name for model in _models(labels) for rule in model._meta.constraints}


def append_only_models(*labels: str) -> list[Any]:
    """Those whose rows are written whole, and refuse even an update that changes nothing."""
    later = filled_in_later_models(*labels)
    whole = {model for model, trigger in pgtrigger.registered() if trigger.name.endswith("_whole")}
    return [model for model in _models(labels) if model in whole and model not in later]


def filled_in_later_models(*labels: str) -> list[Any]:
    """Those of ``written_once``: some columns are filled in later, once; nothing else changes, and no row goes."""
    names: dict[Any, set[str]] = {}
    for model, trigger in pgtrigger.registered():
        names.setdefault(model, set()).add(trigger.name)
    return [
        model
        for model in _models(labels)
        if any({f"{name}_whole", f"{name}_stay"} <= names.get(model, set()) for name in names.get(model, set()))
    ]


def never_deleted_models(*labels: str) -> list[Any]:
    """PM6: tables with a history that has no end."""
    kept = {
        model
        for model, trigger in pgtrigger.registered()
        if isinstance(trigger, pgtrigger.Protect) and str(trigger.operation) == "DELETE"
    }
    return [model for model in _models(labels) if model in kept]


def check(attacks: Attacks, books: Mapping[str, Any]) -> None:
    """Every attack is refused by name."""
    for what, (sql, name) in attacks.items():
        said = refusal(sql.format(**books))
        assert name in said, (what, said)


def check_all_are_tried(attacks: Attacks, *labels: str) -> None:
    """Every constraint of these apps is named by an attack."""
    tried = {name for _, name in attacks.values()}
    missing = rules_of(*labels) - tried
    assert not missing, missing


def check_append_only(*labels: str) -> None:
    """I7: no row of an append-only table is changed, deleted or truncated."""
    assert append_only_models(*labels)
    for model in append_only_models(*labels):
        table, column = model._meta.db_table, model._meta.concrete_fields[-1].column
        assert model._default_manager.exists(), f"{table}: nothing to try it on"
        assert "Cannot update" in refusal(f"UPDATE {table} SET {column} = {column}"), table
        assert "Cannot" in refusal(f"DELETE FROM {table}"), table
        assert "never removed" in refusal(f"TRUNCATE {table} CASCADE"), table


def check_filled_in_later(*kinds: Any) -> None:
    """I7: no row of these goes, and none becomes another."""
    for model in kinds:
        table = model._meta.db_table
        assert model in filled_in_later_models(model._meta.app_label), table
        assert model._default_manager.exists(), f"{table}: nothing to try it on"
        assert "Cannot" in refusal(f"DELETE FROM {table}"), table
        assert "never removed" in refusal(f"TRUNCATE {table} CASCADE"), table
        assert "Cannot update" in refusal(f"UPDATE {table} SET id = id + 1000000"), table


def check_never_deleted(*labels: str) -> None:
    assert never_deleted_models(*labels)
    for model in never_deleted_models(*labels):
        table = model._meta.db_table
        assert model._default_manager.exists(), f"{table}: nothing to try it on"
        assert "Cannot delete" in refusal(f"DELETE FROM {table}"), table


def _models(labels: tuple[str, ...]) -> list[Any]:
    return [model for label in labels for model in apps.get_app_config(label).get_models()]
