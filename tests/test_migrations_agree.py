"""An empty database is made at once; it is the one that a database of before becomes, one migration after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from cardshop.at_once import HOME, NAME, TAIL, OneByOne, our_apps
from tests import schema
from tests.one_by_one import OneByOneExecutor

AT_ONCE = (HOME, NAME)
# A shop of a day in between: some apps stand in the middle, some are whole, some were not thought of yet.
MIDDLE = [("orders", "0012_orders_under_published_terms"), ("refunds", "0015_canned_replies")]


def test_both_ways_lead_to_the_same_models():
    one_by_one, at_once = (said_of_models(loader(None).project_state()) for loader in (OneByOne, MigrationLoader))
    assert one_by_one.keys() == at_once.keys()
    assert [key for key, said in one_by_one.items() if said != at_once[key]] == []


def test_an_empty_database_is_made_at_once_and_new_migrations_come_after():
    loader = MigrationLoader(None)
    ours = [key for key in loader.graph.nodes if key[0] in our_apps()]
    assert [key for key in ours if key in loader.disk_migrations[AT_ONCE].replaces] == []
    for app in our_apps():
        (leaf,) = loader.graph.leaf_nodes(app)
        way = loader.graph.forwards_plan(leaf)
        assert way.index(AT_ONCE) < next(place for place, (of, name) in enumerate(way) if of == app and TAIL in name)


@pytest.mark.django_db
def test_wherever_a_database_stands_it_goes_on_one_by_one():
    one_by_one, recorder = OneByOne(None), MigrationRecorder(connection)
    leaves = sorted(one_by_one.graph.leaf_nodes())
    plan = list(dict.fromkeys(key for leaf in leaves for key in one_by_one.graph.forwards_plan(leaf)))
    replaced = MigrationLoader(None).disk_migrations[AT_ONCE].replaces
    recorder.migration_qs.all().delete()
    stands_between = set()
    for place, key in enumerate(plan, start=1):
        recorder.record_applied(*key)
        if place % 5 and place < len(plan):
            continue
        loader = MigrationLoader(connection)
        loader.check_consistent_history(connection)
        done = {key in loader.applied_migrations for key in replaced}
        assert (AT_ONCE in loader.graph.nodes) is (len(done) == 1), key
        assert (AT_ONCE in loader.applied_migrations) is (done == {True}), key
        stands_between.add(len(done) == 2)
    assert stands_between == {True, False}


@pytest.mark.nightly
@pytest.mark.django_db(transaction=True)
def test_both_ways_lead_to_the_same_database():
    """Also from the middle; what stands in it is the same, and so is what was written into it."""
    with another_database("made_at_once"):
        call_command("migrate", interactive=False, verbosity=0)
        at_once = schema.description(), schema.contents(), schema.permissions()
    with another_database("made_one_by_one"):
        OneByOneExecutor(connection).migrate(MIDDLE)
        call_command("migrate", interactive=False, verbosity=0)
        one_by_one = schema.description(), schema.contents(), schema.permissions()
    assert sorted(at_once[0] ^ one_by_one[0]) == []
    assert at_once[1] == one_by_one[1] != {}
    assert at_once[2] == one_by_one[2]


def said_of_models(state: ProjectState) -> dict[Any, Any]:
    words = MigrationAutodetector(state, state).deep_deconstruct
    return {
        key: (
            {name: words(field) for name, field in model.fields.items()},
            {name: value for name, value in model.options.items() if value != []},
            model.bases,
            model.managers,
        )
        for key, model in state.models.items()
    }


@contextmanager
def another_database(name: str) -> Iterator[None]:
    """An empty one on the same server; meanwhile it is the one that everybody asks."""
    own = connection.settings_dict["NAME"]
    _say(f"DROP DATABASE IF EXISTS {name}_of_{own} WITH (FORCE)")
    _say(f"CREATE DATABASE {name}_of_{own}")
    try:
        _go_to(f"{name}_of_{own}")
        yield
    finally:
        _go_to(own)
        _say(f"DROP DATABASE {name}_of_{own} WITH (FORCE)")


def _go_to(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def _say(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
