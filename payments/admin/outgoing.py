"""停止出款 on the desk: how the switch stands, who turned it and why; and every time that it was ever turned.

The same for one merchant account stands on that account's page (``accounts.py``).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    MOST_COUNTED,
    Desk,
    DialogForm,
    badge,
    called,
    link,
    list_url,
    log,
    me,
    note_field,
    staff_act,
    when,
)
from payments import outgoing
from payments.models import OutgoingSwitch, RefundAttempt

MEANS = "停止后：不发送新的渠道退款，不退至余额，不付转账；已发出的照常查询。全部留在原处排队，恢复后各发一次。"


NOT_BY_WHO_STOPPED = "停止出款的人不能自己恢复，请由另一位同事核对后恢复。"


class SwitchForm(DialogForm):
    """An act on the switch of all money."""

    template = "admin/payments/outgoingswitch/dialog.html"
    told = ""
    note = note_field(required=True, label="原因", help_text="所有同事可见，不超过 200 字。")

    @cached_property
    def row(self) -> OutgoingSwitch | None:
        return outgoing.stopped()

    def facts(self) -> dict[str, Any]:
        return {"row": self.row, "told": self.told, "said": said(self.row) if self.row else ""}


class StopForm(SwitchForm):
    told = f"从现在起不再有任何款项离开平台。{MEANS}恢复须由另一位同事办理。"

    @cached_property
    def refusal(self) -> str:
        return "全部出款已经停止。" if self.row else ""


class ResumeForm(SwitchForm):
    told = "请先确认停止的原因已经消除。恢复后，排队的款项立即按原单号发出，每笔一次。"

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "出款没有停止。"
        return NOT_BY_WHO_STOPPED if self.row.by_id == self.request.user.pk else ""


@admin.register(OutgoingSwitch)
class OutgoingSwitchDesk(Desk):
    list_display = ("moment", "state", "about", "who", "why")
    list_display_links = ("moment",)
    list_filter = ("is_stopped",)
    ordering = ("-pk",)
    list_select_related = ("by", "account")
    list_before_template = "admin/payments/outgoingswitch/now.html"
    fields = ("moment", "state", "about", "who", "reason")
    readonly_fields = ("moment", "state", "about", "who")
    actions_list = ("stop", "resume")

    moment = when("at", "时间")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = self._now(request) if self.has_view_permission(request) else {}
        return super().changelist_view(request, context | (extra_context or {}))

    def _now(self, request: HttpRequest) -> dict[str, Any]:
        found = outgoing.now()
        name = "resume" if found.everything else "stop"
        act = self.get_unfold_action(name)
        look = "danger" if act.dialog["danger"] else "primary"
        button = {"title": act.description, "icon": act.icon, "url": reverse(f"admin:{act.action_name}"), "look": look}
        is_mine = found.everything is not None and found.everything.by_id == me(request).pk
        count = outgoing.waiting_count(most=MOST_COUNTED) if found.everything or found.accounts else 0
        return {
            "everything": said(found.everything) if found.everything else "",
            "accounts": [(row.account, said(row)) for row in found.accounts.values()],
            "means": MEANS,
            "queued": f"{count}+" if count == MOST_COUNTED else str(count),
            "queued_url": list_url(RefundAttempt),
            "button": button if self.may_act(request, name) and not is_mine else None,
            "not_mine": NOT_BY_WHO_STOPPED if is_mine else "",
        }

    # --- columns

    @admin.display(description="出款")
    def state(self, row: OutgoingSwitch) -> SafeString:
        return badge("停止", "bad") if row.is_stopped else badge("恢复", "good")

    @admin.display(description="范围")
    def about(self, row: OutgoingSwitch) -> SafeString | str:
        return link(row.account) if row.account else "全部出款"

    @admin.display(description="操作人")
    def who(self, row: OutgoingSwitch) -> str:
        return called(row.by)

    @admin.display(description="原因")
    def why(self, row: OutgoingSwitch) -> SafeString:
        return format_html('<span class="desk-clip" title="{}">{}</span>', row.reason, row.reason)

    # --- acts

    @staff_act(
        StopForm, title="停止全部出款", submit="确认停止", icon="block", danger=True, refused_by=(outgoing.CannotTurn,)
    )
    def stop(self, request: HttpRequest, form: StopForm) -> str:
        row = outgoing.stop(by=me(request), reason=form.cleaned_data["note"], at=clock.now())
        log(request, [row], f"停止全部出款：{row.reason}")
        messages.success(request, "全部出款已停止。恢复须由另一位同事办理。")
        return list_url(OutgoingSwitch)

    @staff_act(
        ResumeForm, title="恢复全部出款", submit="确认恢复", icon="play_arrow", refused_by=(outgoing.CannotTurn,)
    )
    def resume(self, request: HttpRequest, form: ResumeForm) -> str:
        row = outgoing.resume(by=me(request), reason=form.cleaned_data["note"], at=clock.now())
        log(request, [row], f"恢复全部出款：{row.reason}")
        messages.success(request, "出款已恢复，排队的款项正在发出。")
        return list_url(OutgoingSwitch)


def said(row: OutgoingSwitch) -> str:
    """谁，何时，为何."""
    what = f"{row.account}的出款已停止" if row.account else "全部出款已停止"
    return f"{what}：{called(row.by)}，{timezone.localtime(row.at):%m-%d %H:%M}，{row.reason}"
