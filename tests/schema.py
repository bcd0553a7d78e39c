"""What a database looks like: everything in it that a migration can make, as a set of sentences to compare."""

from __future__ import annotations

from django.db import connection

# Columns by name: where in its table one stands nobody asks. Whether one may be null it says itself: the constraint of
# that, which PostgreSQL 18 shows, has a name that PostgreSQL made up. A function for triggers that no trigger calls is
# what is left of a trigger that was taken away.
LOOKS: dict[str, str] = {
    "extension": "SELECT extname FROM pg_extension",
    "relation": """
        SELECT relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, reloptions, relreplident,
               pg_get_userbyid(relowner)
          FROM pg_class WHERE relnamespace = 'public'::regnamespace""",
    "column": """
        SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
               attcollation::regcollation, attstorage, attcompression, attstattarget, attoptions,
               pg_get_expr(adbin, adrelid)
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attnum > 0 AND NOT attisdropped
           AND attrelid IN (SELECT oid FROM pg_class
                             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p'))""",
    "constraint": """
        SELECT conrelid::regclass, conname, contype, convalidated, condeferrable, condeferred,
               pg_get_constraintdef(oid, true)
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
    "index": """
        SELECT indexrelid::regclass, indisvalid, indisready, indisclustered, pg_get_indexdef(indexrelid)
          FROM pg_index WHERE indexrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)""",
    "trigger": """
        SELECT tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid), obj_description(oid, 'pg_trigger')
          FROM pg_trigger WHERE NOT tgisinternal""",
    "function": """
        SELECT proname, pg_get_functiondef(pg_proc.oid)
          FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
           AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
           AND (prorettype <> 'trigger'::regtype OR pg_proc.oid IN (SELECT tgfoid FROM pg_trigger))""",
    "sequence": """
        SELECT sequencename, data_type, start_value, min_value, max_value, increment_by, cycle, cache_size
          FROM pg_sequences WHERE schemaname = 'public'""",
    "owned sequence": """
        SELECT objid::regclass, refobjid::regclass, attname, deptype
          FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
         WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
           AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S')""",
    "statistics": "SELECT stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "type": """
        SELECT typname, typtype, typcollation, pg_get_expr(typdefaultbin, 0), array(SELECT enumlabel FROM pg_enum
               WHERE enumtypid = pg_type.oid ORDER BY enumsortorder)
          FROM pg_type WHERE typnamespace = 'public'::regnamespace""",
    "collation": """
        SELECT collname, collprovider, collcollate FROM pg_collation WHERE collnamespace = 'public'::regnamespace""",
    "rule": "SELECT tablename, rulename, definition FROM pg_rules WHERE schemaname = 'public'",
    "policy": "SELECT tablename, policyname, qual, with_check FROM pg_policies WHERE schemaname = 'public'",
    "event trigger": "SELECT evtname, evtevent FROM pg_event_trigger",
}

# When a row was written, and under which number, is not what it says.
OF_THE_MOMENT = {"id", "pk", "written_at", "content_type_id"}
WRITTEN_BY_MIGRATE_ITSELF = {"django_migrations", "django_content_type", "auth_permission"}


def description() -> set[tuple[str, ...]]:
    """Every relation, column, constraint, index, trigger, function … of the database that is connected."""
    return {
        (what, *("" if value is None else str(value) for value in row))
        for what, query in LOOKS.items()
        for row in _rows(query)
    }


def contents() -> dict[str, set[tuple[tuple[str, str], ...]]]:
    """{table: its rows}, of the tables that have any, without what is of the moment."""
    tables = set(connection.introspection.table_names()) - WRITTEN_BY_MIGRATE_ITSELF
    found = {table: _of(table) for table in sorted(tables)}
    return {table: rows for table, rows in found.items() if rows}


def permissions() -> set[tuple[str, ...]]:
    """What Django writes of every model after migrating."""
    return set(
        _rows(
            "SELECT app_label, model, codename, name FROM auth_permission"
            " JOIN django_content_type ON django_content_type.id = content_type_id"
        )
    )


def _of(table: str) -> set[tuple[tuple[str, str], ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
        rows = [
            dict(zip([column.name for column in cursor.description], row, strict=True)) for row in cursor.fetchall()
        ]
    return {tuple((name, str(row[name])) for name in sorted(row.keys() - OF_THE_MOMENT)) for row in rows}


def _rows(query: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()  # type: ignore[no-any-return]
