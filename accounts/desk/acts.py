"""Acts of the staff, always behind a dialog; and the pages that say what to do about their row, and offer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action
from unfold.enums import ActionVariant

from accounts.desk.dialogs import DialogForm
from accounts.desk.tables import Desk, can_be_key
from accounts.models import User

MOST_CHOSEN = 200
ActMethod = Callable[..., str]  # (desk, request, form, object_id?) → where to go afterwards


def staff_act(
    form_class: type[DialogForm],
    *,
    title: str,
    description: str = "",
    submit: str,
    icon: str = "",
    danger: bool = False,
    refused_by: tuple[type[Exception], ...] = (),
    explain: Callable[[Exception, str | None], str] | None = None,
) -> Callable[[ActMethod], Callable[..., HttpResponse]]:
    """An act of the staff, behind a dialog. A GET can only ever show the form; a valid POST runs the function once.

    The function returns the address to go to. What the domain refuses is told in a message, on the page as it now is.
    Unfold runs an act without a dialog on a plain GET: here there is no way to leave the dialog out.
    """
    if not issubclass(form_class, DialogForm):
        raise TypeError("staff_act: an act needs a dialog form")

    def decorate(function: ActMethod) -> Callable[..., HttpResponse]:
        dialog = {
            "title": title,
            "description": description,
            "form_class": form_class,
            "form_submit_text": submit,
            "danger": danger,
        }
        variant = ActionVariant.DANGER if danger else ActionVariant.DEFAULT

        @action(description=title, icon=icon, variant=variant, dialog=dialog)  # type: ignore[untyped-decorator, unused-ignore]
        @wraps(function)
        def run(desk: Desk, request: HttpRequest, form: DialogForm, object_id: str | None = None) -> HttpResponse:
            home = _home(desk, object_id)
            if request.method != "POST":
                raise PermissionDenied
            if form.refusal:
                messages.error(request, form.refusal)
                return go(request, home)
            try:
                arguments = (object_id,) if object_id is not None else ()
                return go(request, function(desk, request, form, *arguments) or home)
            except refused_by as refusal:
                text = explain(refusal, object_id) if explain else str(refusal)
                messages.error(request, text)
            except OperationalError:
                messages.error(request, "同事正在处理同一张单，请刷新后再试。")
            return go(request, home)

        @wraps(run)
        def guarded(desk: Desk, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
            if not desk.may_act(request, function.__name__):
                raise PermissionDenied
            if request.method != "POST" and "HX-Request" not in request.headers:
                return HttpResponseRedirect(_home(desk, object_id))  # opened by itself: a dialog needs its page
            arguments = {"object_id": object_id} if object_id is not None else {}
            return run(desk, request, **arguments)

        guarded.is_staff_act = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def go(request: HttpRequest, address: str) -> HttpResponse:
    """Leave a dialog: htmx follows a header, everybody else a redirect."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _home(desk: Desk, object_id: str | None) -> str:
    name = f"admin:{desk.opts.app_label}_{desk.opts.model_name}"
    return reverse(f"{name}_change", args=[object_id]) if object_id else reverse(f"{name}_changelist")


class ActsDesk(Desk):
    """A page that says what to do about its row, and offers it."""

    change_form_before_template = "admin/desk/advice.html"
    change_form_outer_after_template = "admin/desk/acts.html"

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


def chosen_keys(request: HttpRequest) -> list[int]:
    """Keys of the ticked rows; the dialog's address carries them from its preview to its submit."""
    ticked = dict.fromkeys(request.GET.getlist(ACTION_CHECKBOX_NAME))
    return [int(text) for text in ticked if can_be_key(text)][:MOST_CHOSEN]


def log(request: HttpRequest, rows: Sequence[Model], words: str) -> None:
    """操作日志."""
    if rows:
        LogEntry.objects.log_actions(me(request).pk, rows, CHANGE, words)


def me(request: HttpRequest) -> User:
    return cast(User, request.user)


def key(object_id: object) -> int:
    """The row's key from an address; one that cannot be a key is nobody's."""
    text = unquote(str(object_id))
    return int(text) if can_be_key(text) else 0
