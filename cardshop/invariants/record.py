"""I7, I8: what is written once stays as it is, the chains verify, and every row is what its last event says."""

from __future__ import annotations

import pgtrigger
from django.db.models import F, OuterRef, Q, Subquery

from records import chain, checking, roots
from records.models import Link

Broken = list[str]
CHAINS = 1000


def append_only_tables_are_guarded() -> Broken:
    """I7: every trigger of the models is installed and switched on."""
    return [
        f"{model._meta.db_table}: trigger {trigger.name} is {status}, enabled: {enabled}"
        for model, trigger in pgtrigger.registered()
        for status, enabled in [trigger.get_installation_status(model)]
        if (status, enabled) != ("INSTALLED", True)
    ]


def chains_verify(most: int = CHAINS) -> Broken:
    """I7: of each stream the chains that grew last, up to ``most``; ``manage.py verify_chain`` reads them all."""
    lines = []
    for kind in roots.streams():
        column = f"{kind.SUBJECT}_id"
        latest = kind._default_manager.order_by("-pk").values_list(column, flat=True)[:most]
        rows = kind._default_manager.filter(**{f"{column}__in": set(latest)}).order_by(column, "sequence")
        for event, problem in chain.broken(rows.iterator(2000)):
            lines.append(f"{checking.name(event)}: event {event.sequence} {problem}")
    return lines


def rows_are_what_their_events_say() -> Broken:
    """I8: the state of a code, of an order, of a case is its last event's."""
    return [line for kind in roots.streams() for line in _strays(kind)]


def _strays(kind: type[Link]) -> Broken:
    last = kind._default_manager.filter(**{kind.SUBJECT: OuterRef("pk")}).order_by("-sequence").values(kind.TO)[:1]
    rows = checking.subjects(kind).annotate(says=Subquery(last))
    strays = rows.filter(~Q(**{kind.STATE: F("says")}) | Q(says__isnull=True))
    return [
        f"{kind.STREAM} {number}: is {state}, its events say {says or 'nothing'}"
        for number, state, says in strays.order_by("pk").values_list(kind.NUMBER, kind.STATE, "says")
    ]
