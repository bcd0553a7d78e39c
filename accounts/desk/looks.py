"""How things look on the desk: sums, moments, badges, links and their addresses, people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import rights
from accounts.models import User
from accounts.rights import Act
from money import yuan

SOON = timedelta(hours=4)


def money(column: str, title: str) -> Callable[..., SafeString | str]:
    """A column of fen, shown as yuan, right-aligned figures; a dash where there is none."""

    @admin.display(description=title)
    def show(self: object, row: Model) -> SafeString | str:
        value: Any = row
        for part in column.split("__"):
            value = getattr(value, part)
        return "–" if value is None else format_html('<span class="desk-money">{}</span>', yuan(int(value)))

    return show


def badge(text: object, tone: str = "quiet") -> SafeString:
    """Status by word and color. ``tone`` is progress, attention, good, bad or quiet."""
    return format_html('<span class="desk-badge desk-badge--{}">{}</span>', tone, text)


def link(row: Model | None, text: object = "", *, seen_by: object = None) -> SafeString | str:
    """To a row's page; plain text for those who may not see it."""
    if row is None:
        return "–"
    words = text or str(row)
    if seen_by is not None and not rights.may(seen_by, Act.SEE, row._meta.label_lower):
        return str(words)
    return format_html('<a class="desk-link" href="{}">{}</a>', page_url(row), words)


def tone_badge(column: str, title: str, tones: dict[str, str]) -> Callable[..., SafeString]:
    """A choices column as a badge."""

    @admin.display(description=title)
    def show(self: object, row: Model) -> SafeString:
        return badge(getattr(row, f"get_{column}_display")(), tones.get(getattr(row, column), "quiet"))

    return show


def until(moment: datetime | None, at: datetime) -> str:
    """How long is left, or by how much it is late: 剩 5 小时, 超时 2 天."""
    if moment is None:
        return ""
    return f"{'超时' if moment < at else '剩'} {how_long(abs(moment - at))}"


def how_long(span: timedelta) -> str:
    """A span in the largest unit of which it has two: 3 天, 47 小时, 5 分钟."""
    seconds = int(span.total_seconds())
    size, unit = next(((s, u) for s, u in ((86400, "天"), (3600, "小时")) if seconds >= 2 * s), (60, "分钟"))
    return f"{seconds // size} {unit}"


def deadline(moment: datetime | None, at: datetime) -> SafeString | str:
    """The promised time with what is left of it; late ones by word and color."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    tone = "bad" if moment < at else "attention" if moment - at < SOON else "quiet"
    template = '{} <time class="desk-time" datetime="{}">{}</time>'
    return format_html(template, badge(until(moment, at), tone), local.isoformat(), f"{local:%m-%d %H:%M}")


def called(person: User | None) -> str:
    """What a colleague is called on the desk."""
    return (person.get_full_name() or person.shown_name) if person else "系统"


def when(column: str, title: str) -> Callable[..., SafeString | str]:
    """A column of a moment, on one line."""

    @admin.display(description=title)
    def show(self: object, row: Model) -> SafeString | str:
        moment = getattr(row, column)
        if moment is None:
            return "–"
        local = timezone.localtime(moment)
        return format_html(
            '<time class="desk-time" datetime="{}">{}</time>', local.isoformat(), f"{local:%Y-%m-%d %H:%M}"
        )

    return show


def list_url(model: type[Model], **query: object) -> str:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def page_url(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
