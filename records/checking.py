"""核对存证: every chain from its first event to its last, and every published root against today's rows.

Reads in the order of the indexes, one row at a time: a marketplace of years needs no more memory than a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.utils import timezone

from records import chain, merkle, roots
from records.models import DailyRoot, Link

TELL_EVERY = 10_000
CHUNK = 2000
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Scope:
    """What to check: one chain, or all that grew since a day, or everything."""

    stream: str = ""
    number: str = ""
    since: date | None = None


def findings(scope: Scope, tell: Tell) -> Iterator[str]:
    """A line for whatever was changed; ``tell`` hears how far it is."""
    for kind in roots.streams():
        if scope.stream in {"", kind.STREAM}:
            yield from _chains(kind, _events(kind, scope), tell)
            yield from _without_events(kind, scope)
    if scope.stream:
        yield from _roots_of_one(scope)
    else:
        yield from _roots(scope.since, tell)


def name(event: Link) -> str:
    """As people know it: "order D…"."""
    number = getattr(getattr(event, event.SUBJECT), event.NUMBER)
    return f"{event.STREAM} {number}"


def is_known(kind: type[Link], number: str) -> bool:
    """Whether there is such a subject, be its record whole or gone."""
    try:
        return bool(subjects(kind).filter(**{kind.NUMBER: number}).exists())
    except (ValidationError, ValueError):  # no such key can be
        return False


def of_subject(kind: type[Link], number: str) -> QuerySet[Any]:
    """The events of the subject that people know by this number, the oldest first."""
    return kind._default_manager.filter(**{f"{kind.SUBJECT}__{kind.NUMBER}": number}).order_by("sequence")


def _events(kind: type[Link], scope: Scope) -> QuerySet[Any]:
    rows = kind._default_manager.annotate(is_now=F(f"{kind.SUBJECT}__{kind.STATE}"))
    if scope.number:
        rows = rows.filter(**{f"{kind.SUBJECT}__{kind.NUMBER}": scope.number})
    if scope.since:
        grown = kind._default_manager.filter(recorded_at__gte=roots.bounds(scope.since)[0])
        rows = rows.filter(**{f"{kind.SUBJECT}__in": grown.values(kind.SUBJECT)})
    return rows.order_by(f"{kind.SUBJECT}_id", "sequence")


def _chains(kind: type[Link], rows: QuerySet[Any], tell: Tell) -> Iterator[str]:
    """Each chain is whole, and what its subject is now is what its last event says (I7, I8)."""
    chains = events = 0
    for _, of_one in groupby(rows.iterator(CHUNK), key=lambda row: getattr(row, f"{kind.SUBJECT}_id")):
        for event, problem in chain.checked(of_one):
            events += 1
            if problem:
                yield f"{name(event)}: event {event.sequence} {_what(event)} {problem}"
        says = getattr(event, kind.TO)
        if event.is_now != says:
            yield f"{name(event)}: is {event.is_now}, its last event {event.sequence} {_what(event)} says {says}"
        chains += 1
        if chains % TELL_EVERY == 0:
            tell(f"{kind.STREAM}: {chains} chains, {events} events")
    tell(f"{kind.STREAM}: {chains} chains, {events} events")


def _without_events(kind: type[Link], scope: Scope) -> Iterator[str]:
    """A subject whose whole record is gone."""
    field: Any = kind._meta.get_field(kind.SUBJECT)
    rows = subjects(kind).filter(**{field.related_query_name(): None})
    if scope.number:
        rows = rows.filter(**{kind.NUMBER: scope.number})
    if not scope.since:
        for number in rows.order_by("pk").values_list(kind.NUMBER, flat=True).iterator(CHUNK):
            yield f"{kind.STREAM} {number}: has no record at all"


def _roots(since: date | None, tell: Tell) -> Iterator[str]:
    rows = DailyRoot.objects.filter(**({"day__gte": since - timedelta(days=1)} if since else {})).order_by("day")
    for root in rows.iterator(10):
        yield from _root(root)
        tell(f"root of {root.day}: {root.leaf_count} chains")
    published = rows.values_list("day", "root", "previous_root").iterator(CHUNK)
    for (day, before, _), (next_day, _, names) in pairwise(published):
        if next_day != day + timedelta(days=1):
            yield f"root of {day + timedelta(days=1)}: is missing"
        elif bytes(names) != bytes(before):
            yield f"root of {next_day}: does not follow the root of {day}"


def _root(root: DailyRoot) -> Iterator[str]:
    """It is signed, it is the root of its leaves, and its leaves are today's rows."""
    leaves = bytes(root.leaves)
    if not roots.is_signed(root):
        yield f"root of {root.day}: its signature is not by key {root.key_id}"
    if len(leaves) != root.leaf_count * merkle.HASH_BYTES or merkle.root_of(merkle.split(leaves)) != bytes(root.root):
        yield f"root of {root.day}: is not the root of its leaves"
    if merkle.root_of(head.leaf for head in roots.heads(root.day)) != bytes(root.root):
        yield from _differences(root, set(merkle.split(leaves)))


def _differences(root: DailyRoot, published: set[bytes]) -> Iterator[str]:
    kinds = {kind.STREAM: kind for kind in roots.streams()}
    rows = 0
    for head in roots.heads(root.day):
        rows += 1
        if head.leaf not in published:
            event = kinds[head.stream]._default_manager.get(
                **{f"{kinds[head.stream].SUBJECT}_id": head.subject, "sequence": head.sequence}
            )
            yield f"{name(event)}: event {head.sequence} {_what(event)} is not what the root of {root.day} holds"
    if rows < len(published):
        yield f"root of {root.day}: {len(published) - rows} of its chains have no event of that day any more"


def _roots_of_one(scope: Scope) -> Iterator[str]:
    """Every published root that must hold this chain does."""
    kind = next(kind for kind in roots.streams() if scope.stream == kind.STREAM)
    heads: dict[date, Any] = {}
    for event in of_subject(kind, scope.number).iterator(CHUNK):
        heads[timezone.localdate(event.recorded_at)] = event
    for root in DailyRoot.objects.filter(day__in=heads).order_by("day").iterator(10):
        event = heads[root.day]
        if merkle.index_of(head_of(event).leaf, bytes(root.leaves)) is None:
            yield f"{name(event)}: event {event.sequence} {_what(event)} is not what the root of {root.day} holds"
        if not roots.is_signed(root):
            yield f"root of {root.day}: its signature is not by key {root.key_id}"


def head_of(event: Link) -> roots.Head:
    """The head that a chain has with this event."""
    return roots.Head(
        event.STREAM, str(getattr(event, f"{event.SUBJECT}_id")), event.sequence, bytes(event.hash)
    )  # fmt: skip


def subjects(kind: type[Link]) -> QuerySet[Any]:
    """What a stream is about: the rows that have chains."""
    field: Any = kind._meta.get_field(kind.SUBJECT)
    return field.related_model._default_manager.all()


def _what(event: Link) -> str:
    return f"({getattr(event, event.STEP)}, {timezone.localtime(event.at):%Y-%m-%d %H:%M})"
