"""客服台 pages that say what to do about their row and offer it: advice at the head, its acts in a bar at the foot.

What such pages share beside it: moments in columns, the log of the desk, who is at the desk, keys from addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.desk import Desk
from accounts.models import User


class ActsDesk(Desk):
    """A page that says what to do about its row, and offers it."""

    change_form_before_template = "admin/payments/advice.html"
    change_form_outer_after_template = "admin/payments/acts.html"

    def advice(self, row: Any) -> list[tuple[str, str]]:
        """What to do about this row: (tone, sentence)."""
        return []

    def acts_of(self, row: Any) -> list[str]:
        """The acts that the row allows now, whoever looks. Each is decided again under its lock."""
        return []

    def not_for(self, row: Any, user: User) -> dict[str, str]:
        """{act: why it is another person's to take}: said in place of a button that could only refuse."""
        return {}

    def about(self, row: Any) -> dict[str, Any]:
        """What else the page shows."""
        return {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {}
        row = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        if row is not None:
            names = [name for name in self.acts_of(row) if self.may_act(request, name)]
            not_mine = self.not_for(row, me(request))
            context = {
                "advice": self.advice(row),
                "acts": [self._button(name, row) for name in names if name not in not_mine],
                "not_mine": list(dict.fromkeys(not_mine[name] for name in names if name in not_mine)),
            } | self.about(row)
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """They stand in the page's own bar, not at its head."""
        return []

    def _button(self, name: str, row: Model) -> dict[str, Any]:
        act = self.get_unfold_action(name)
        look = "danger" if act.dialog["danger"] else "primary"
        address = reverse(f"admin:{act.action_name}", args=[row.pk])
        return {"title": act.description, "icon": act.icon, "url": address, "look": look}


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


class ProgressDesk(Desk):
    """A page of long work: ``admin:<model>_progress`` answers with how far it is, and the page asks every two seconds
    while it runs."""

    def progress_of(self, row: Any) -> SafeString:
        raise NotImplementedError

    def is_running(self, row: Any) -> bool:
        raise NotImplementedError

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_progress"
        view = self.admin_site.admin_view(self.progress_view)
        return [path("<int:object_id>/progress/", view, name=name), *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The progress alone; once it is done the whole page is asked for again."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.model, pk=object_id)
        answer = HttpResponse(self.progress_of(row))
        if not self.is_running(row):
            answer.headers["HX-Refresh"] = "true"
        return answer


def log(request: HttpRequest, rows: Sequence[Model], words: str) -> None:
    """操作日志."""
    if rows:
        LogEntry.objects.log_actions(me(request).pk, rows, CHANGE, words)


def me(request: HttpRequest) -> User:
    return cast(User, request.user)


def key(object_id: object) -> int:
    """The row's key from an address; one that cannot be a key is nobody's."""
    text = unquote(str(object_id))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
