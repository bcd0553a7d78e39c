"""What an empty database needs besides the tables of the models: the very operations of the old migrations.

What they did to the rows of before has nothing to do in an empty database, and is left out.
"""

from importlib import import_module

from django.db.migrations import RunSQL


def operation(app, name, place):
    return import_module(f"{app}.migrations.{name}").Migration.operations[place]


BEFORE = [operation("shops", "0004_search", 0)]  # the function that finds search terms
AFTER = [
    operation("cardshop", "0002_recovery", -1),  # a trigger on another app's table
    operation("refunds", "0015_canned_replies", 0),
    # The table was renamed once; what PostgreSQL had named after it kept its name.
    RunSQL("ALTER INDEX integrations_feedmark_pkey RENAME TO integrations_reading_pkey"),
    RunSQL("ALTER SEQUENCE integrations_feedmark_id_seq RENAME TO integrations_reading_id_seq"),
]
