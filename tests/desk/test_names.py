"""Whatever the desk lists has a name of its own: in titles, in breadcrumbs, in what is asked before an act."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models

pytestmark = pytest.mark.django_db
OURS = {config.label for config in apps.get_app_configs() if not config.name.startswith(("django", "allauth"))}
LISTED = sorted((model for model in admin.site._registry if model._meta.app_label in OURS), key=lambda m: m.__name__)


def an(model: type[models.Model]) -> models.Model:
    """A row with a number wherever it has one, an address for every text, in the first state of each list. Its
    neighbors are not there.
    """
    numbers = {
        field.attname: 0
        for field in model._meta.concrete_fields
        if field.is_relation or isinstance(field, models.IntegerField)
    }
    texts = {
        field.attname: "https://example.com/"
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField) and not field.is_relation
    }
    chosen = {field.attname: field.choices[0][0] for field in model._meta.concrete_fields if field.choices}
    return model(**numbers | texts | chosen)


def test_there_is_something_to_name():
    assert len(LISTED) > 20


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model._meta.label)
def test_it_is_called_by_a_name_that_costs_no_query(model, django_assert_num_queries):
    assert model.__str__ is not models.Model.__str__, "staff would read “X object (7)”"
    with django_assert_num_queries(0):
        assert f"{model.__name__} object" not in str(an(model))
