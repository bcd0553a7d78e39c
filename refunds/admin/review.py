"""The review page: what ``casefile`` gathers, and a button for each step that ``lifecycle.allowed_steps`` allows."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

import clock
from accounts import rights
from accounts.desk_acts import me
from accounts.models import User
from accounts.roles import Role
from refunds import casefile, lifecycle, risk
from refunds.admin.dialogs import above_limit_words, may_approve, may_check
from refunds.admin.queue import CaseList
from refunds.lifecycle import STEPS
from refunds.models import Queue, Refund
from refunds.models import Status as S

# The order of the buttons: what decides first, what asks or holds back last.
DESK_STEPS = ["approve", "reject", "request_evidence", "disburse", "credit_balance", "reissue", "halt"]


PRIMARY = {"approve", "disburse", "credit_balance"}


class CasePage(CaseList):
    """退款单: claim, record and rules side by side, and what may be done now."""

    change_form_template = "admin/refunds/refund/review.html"
    fields = ("refund_no",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        refund = cast("Refund | None", self.get_object(request, unquote(object_id)))
        context: dict[str, Any] = {}
        if refund and self.has_view_permission(request):
            at = clock.now()
            file = casefile.open_file(refund, at=at)
            context = {
                "file": file,
                "hints": risk.hints(file),
                "at": at,
                "title": f"退款单 {refund.refund_no}",
                "subtitle": None,
                "steps": self._steps(refund, me(request)),
                "hint": _hint(refund, me(request)),
                "check": self._check_button(request, refund),
            }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def may_act(self, request: HttpRequest, act: str) -> bool:
        """By the table of steps: whose job this step is; what is no step stands in the table of rights."""
        if act == "check_codes":
            return rights.may(request.user, act, "refunds.refund")
        step = STEPS["disburse" if act == "release_chosen" else act]
        return self.has_view_permission(request) and me(request).role in step.who

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """They stand in the page's own bar, not at its head."""
        return []

    def _steps(self, refund: Refund, user: User) -> list[dict[str, Any]]:
        allowed = set(lifecycle.allowed_steps(refund, user))
        if "approve" in allowed and not may_approve(refund, user):
            allowed.remove("approve")  # the hint beside the buttons says whose it is
        if "reissue" in allowed and lifecycle.open_attempts([refund])[0]:
            allowed.remove("reissue")  # the hint says what helps
        return [self._button(name, refund) for name in DESK_STEPS if name in allowed]

    def _check_button(self, request: HttpRequest, refund: Refund) -> dict[str, Any] | None:
        if not self.may_act(request, "check_codes") or not may_check(refund, me(request)):
            return None
        act = self.get_unfold_action("check_codes")
        address = reverse(f"admin:{act.action_name}", args=[refund.pk])
        return {"title": act.description, "icon": act.icon, "url": address, "look": "plain"}

    def _button(self, name: str, refund: Refund) -> dict[str, Any]:
        act = self.get_unfold_action(name)
        address = reverse(f"admin:{act.action_name}", args=[refund.pk])
        look = "danger" if name in {"reject", "halt"} else "primary" if name in PRIMARY else "plain"
        return {"title": STEPS[name].title, "icon": act.icon, "url": address, "look": look}


def _hint(refund: Refund, user: User) -> str:
    """Why there may be no button, in one sentence."""
    roles = lifecycle.roles_on(refund, user)
    if roles <= {Role.BUYER, Role.MERCHANT}:
        return "这张退款单与您本人或您的店铺有关，须由其他同事处理。"
    if refund.status == S.RETURNED and (attempt := lifecycle.open_attempts([refund])[0]):
        return (
            f"渠道还没有关闭 {attempt.request_no}，不能重新发放。请打开下方这笔渠道退款，按那里的提示处理；"
            "关闭后，这里会出现“重新原路退款”。"
        )
    if lifecycle.allowed_steps(refund, user):
        return above_limit_words(refund) if refund.status == S.FIRST_REVIEW and not may_approve(refund, user) else ""
    if refund.queue == Queue.NOBODY:
        return "已结束，无需处理。"
    return f"现在等{Queue(refund.queue).label}处理。"
