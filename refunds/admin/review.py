"""The review page: what ``casefile`` gathers, and a button for each step that may be taken now."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

import clock
from accounts import rights
from accounts.desk import me
from accounts.models import User
from accounts.rights import Act
from accounts.roles import Role
from refunds import casefile, lifecycle, objections, risk
from refunds.admin import leaving
from refunds.admin.desk_steps import DESK, MORE, PLAIN
from refunds.admin.profiles import Profiles
from refunds.admin.refusals import above_limit_words, decided_before, held_by, may_check
from refunds.lifecycle import STEPS
from refunds.models import Queue, Refund
from refunds.models import Status as S

NO_STEPS = {Act.CHECK_CODES, Act.JUDGE_OBJECTION}


class CasePage(Profiles):
    """退款单: claim, record and rules side by side, and what may be done now."""

    change_form_template = "admin/refunds/refund/review.html"
    fields = ("refund_no",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        refund = cast("Refund | None", self.get_object(request, unquote(object_id)))
        context: dict[str, Any] = {}
        if refund and self.has_view_permission(request):
            at, user = clock.now(), me(request)
            file = casefile.open_file(refund, at=at)
            notes = _notes(refund, user)
            steps = [name for name in steps_now(refund, user) if not notes or name not in leaving.RELEASES]
            context = {
                "file": file,
                "hints": risk.hints(file),
                "at": at,
                "title": f"退款单 {refund.refund_no}",
                "subtitle": None,
                "steps": [self._button(name, refund) for name in steps if DESK[name].look != MORE],
                "more_steps": [self._button(name, refund) for name in steps if DESK[name].look == MORE],
                "hint": _hint(refund, user, steps),
                "notes": notes,
                "check": self._check_button(request, refund),
                "judge": self._judge_button(request, file),
                "held": held_by(refund, user, at=at),
            }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def may_act(self, request: HttpRequest, act: str) -> bool:
        """By the table of steps: whose job this step is; what is no step stands in the table of rights."""
        if act in NO_STEPS:
            return rights.may(request.user, Act(act), "refunds.refund")
        step = STEPS["disburse" if act == "release_chosen" else act]
        return self.has_view_permission(request) and me(request).role in step.who

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """They stand in the page's own bar, not at its head."""
        return []

    def _check_button(self, request: HttpRequest, refund: Refund) -> dict[str, Any] | None:
        if not self.may_act(request, Act.CHECK_CODES) or not may_check(refund, me(request)):
            return None
        return self._plain("check_codes", refund)

    def _judge_button(self, request: HttpRequest, file: casefile.CaseFile) -> dict[str, Any] | None:
        if file.objection is None or file.objection.verdict or not self.may_act(request, Act.JUDGE_OBJECTION):
            return None
        return (
            None if objections.why_not_judge(file.refund, me(request)) else self._plain("judge_objection", file.refund)
        )

    def _plain(self, name: str, refund: Refund) -> dict[str, Any]:
        act = self.get_unfold_action(name)
        address = reverse(f"admin:{act.action_name}", args=[refund.pk])
        return {"title": act.description, "icon": act.icon, "url": address, "look": PLAIN}

    def _button(self, name: str, refund: Refund) -> dict[str, Any]:
        look = PLAIN if DESK[name].look == MORE else DESK[name].look
        return self._plain(name, refund) | {"title": STEPS[name].title, "look": look}


def steps_now(refund: Refund, user: User) -> list[str]:
    """The steps that have a button on this case now, in the table's order."""
    allowed = set(lifecycle.allowed_steps(refund, user))
    if refund.claimed_by_id == user.pk:
        allowed.discard("claim")
    if "approve" in allowed:
        allowed.discard("uphold")  # one decision is enough
    return [name for name in DESK if name in allowed]


def _notes(refund: Refund, user: User) -> list[tuple[str, str]]:
    """(tone, sentence): what keeps its money here, with where that is mended."""
    if refund.status not in {S.APPROVED, S.RETURNED, S.REDIRECT_SIGNED}:
        return []
    found = [("bad", leaving.in_doubt(refund, user)), ("attention", leaving.in_batch(refund, user))]
    return [(tone, words) for tone, words in found if words]


def _hint(refund: Refund, user: User, steps: list[str]) -> str:
    """Why there may be no button, or not the expected one, in one sentence."""
    roles = lifecycle.roles_on(refund, user)
    if roles <= {Role.BUYER, Role.MERCHANT}:
        return "这张退款单与您本人或您的店铺有关，须由其他同事处理。"
    if refund.status in {S.RETURNED, S.REDIRECT_SIGNED} and (attempt := lifecycle.unclosed([refund]).get(refund.pk)):
        return leaving.way_on(attempt, user)
    if refund.status == S.RETURNED and "reissue" in steps:
        return "买家可在退款单上选择去向；原来的收款账户又能收款的，也可“重新原路退款”。"
    if held := held_by(refund, user, at=clock.now()):
        return held
    if refund.status == S.APPEAL_REVIEW and user.role == Role.SENIOR and decided_before(refund, user):
        return "您审核过这张退款单，申诉须由另一位高级审核员处理。"
    if refund.status in {S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW} and lifecycle.above_limit([refund]):
        return above_limit_words(refund)
    if steps:
        return ""
    if refund.status in {S.APPROVED, S.RETURNED} and leaving.in_doubt(refund, user):
        return "先查清并了结上面的紧急差错，之后由财务继续办理。"
    if refund.queue == Queue.NOBODY:
        return "已结束，无需处理。"
    return f"现在等{Queue(refund.queue).label}处理。"
