"""数据库角色: what the application's own role may do, read from what the models declare (I7).

Migrations run as the owner; everything else runs as a role that owns nothing: it cannot change the schema, switch a
trigger off, or empty a table, and where rows are written once it may add and read, no more. The one list is the models'
triggers: what they refuse to everybody is not granted to the application in the first place.
"""

from __future__ import annotations

from collections import defaultdict
from urllib.parse import unquote, urlsplit

import pgtrigger
from django.db import connection, transaction

ALL: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")
READ: tuple[str, ...] = ("SELECT",)
MIGRATIONS = "django_migrations"


def rights() -> dict[str, tuple[str, ...]]:
    """{table: what the application may do with it}; no table may be emptied at once."""
    granted = dict.fromkeys(connection.introspection.table_names(), ALL)
    for table, refused in _refused().items():
        granted[table] = tuple(right for right in ALL if right not in refused)
    return granted | {MIGRATIONS: READ}


def grant(url: str) -> str:
    """Make the role that this address names, unless it is there, and let it do just that. Returns its name.

    As the owner of the tables, who may make roles; or with a role that somebody has made.
    """
    parts = urlsplit(url)
    role, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not role:
        raise ValueError("the application's database address names no user")
    name = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, current_user = %s FROM pg_roles WHERE rolname = %s", [role, role])
        known = cursor.fetchone()
        if known and any(known):
            raise ValueError(f"{role} is the owner or a superuser: the application needs a role of its own")
        if known is None:
            cursor.execute(f"CREATE ROLE {name(role)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
        if password:
            cursor.execute(f"ALTER ROLE {name(role)} PASSWORD %s", [password])
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name(role)}")
        cursor.execute(f"REVOKE CREATE ON SCHEMA public FROM {name(role)}, PUBLIC")
        cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name(role)}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name(role)}")
        by_rights: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for table, allowed in rights().items():
            by_rights[allowed].append(name(table))
        for allowed, tables in by_rights.items():
            cursor.execute(f"GRANT {', '.join(allowed)} ON {', '.join(sorted(tables))} TO {name(role)}")
    return role


def too_much() -> list[str]:
    """What the role of this very connection may do and should not; empty if it is the application's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, (SELECT bool_or(pg_has_role(tableowner, 'USAGE')) FROM pg_tables"
            " WHERE schemaname = 'public') FROM pg_roles WHERE rolname = current_user"
        )
        is_superuser, is_owner = cursor.fetchone()
        if is_superuser or is_owner:
            return ["superuser" if is_superuser else "owner"]
        wanted = [(table, right) for table, allowed in rights().items() for right in (*ALL, "TRUNCATE")
                  if right not in allowed]  # fmt: skip
        cursor.execute(
            "SELECT t, r FROM unnest(%s::text[], %s::text[]) AS x(t, r) WHERE has_table_privilege(quote_ident(t), r)",
            [[table for table, _ in wanted], [right for _, right in wanted]],
        )
        return [f"{right} {table}" for table, right in cursor.fetchall()]


def _refused() -> dict[str, set[str]]:
    """{table: what its triggers refuse whatever the row}. A trigger with a condition lets some of it through."""
    found: dict[str, set[str]] = defaultdict(set)
    for model, trigger in pgtrigger.registered():
        if isinstance(trigger, pgtrigger.Protect) and trigger.condition is None:
            found[model._meta.db_table] |= {word for word in ("UPDATE", "DELETE") if _covers(trigger, word)}
    return dict(found)


def _covers(trigger: pgtrigger.Protect, word: str) -> bool:
    """``UpdateOf`` some columns refuses those alone."""
    return word in [part.strip() for part in str(trigger.operation).split(" OR ")]
