"""自动通道 on the desk: what each may give, what it has given today, how often it erred; the switch and the caps.

Everything that was ever set stays in the list below: a change is a row more.
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
from unfold.widgets import UnfoldAdminTextInputWidget

import clock
from accounts.desk import (
    Desk,
    DialogForm,
    badge,
    called,
    list_url,
    log,
    me,
    note_field,
    number_field,
    staff_act,
    when,
    yuan,
)
from form_fields import YuanField
from refunds import audits, lanes
from refunds.audits import Figures
from refunds.models import AuditSample, Lane, LaneLimits

CAPS = {
    "buyer_fen": "每位买家",
    "payer_fen": "每个付款账户",
    "device_fen": "每台设备",
    "shop_fen": "每家店铺",
    "platform_fen": "全平台",
}
SHORT = "所有同事可见，不超过 200 字。"
BEYOND = "超出额度或暂停时，申请照常受理，转人工审核；不会因此拒绝。"


# --- dialogs: each about the lane that its address names -------------------------------------------------------------


class LaneForm(DialogForm):
    template = "admin/refunds/lanelimits/dialog.html"
    told = ""

    @cached_property
    def lane(self) -> Lane | None:
        named = self.request.GET.get("lane", "")
        return Lane(named) if named in Lane.automatic() else None

    @cached_property
    def known(self) -> LaneLimits | None:
        return lanes.limits()[self.lane] if self.lane else None

    @cached_property
    def refusal(self) -> str:
        return self.why_not(self.known) if self.known else "没有这个自动通道。"

    def why_not(self, known: LaneLimits) -> str:
        return ""

    def facts(self) -> dict[str, Any]:
        return {"known": self.known, "told": self.told, "beyond": BEYOND}


class PauseForm(LaneForm):
    told = "从现在起，这个通道不再自动通过任何退款。已通过的照常放款；要拦下其中一张，请到那张退款单。"
    note = note_field(
        required=True, label="原因", help_text=SHORT, placeholder="例如：同一付款账户一小时内申请 40 笔。"
    )

    def why_not(self, known: LaneLimits) -> str:
        return "" if known.is_on else "这个通道已经暂停。"


class ResumeForm(LaneForm):
    told = "从现在起，符合规则的新申请重新自动通过。暂停期间转人工的仍由人工审核。"
    note = note_field(required=True, label="原因", help_text=SHORT)

    def why_not(self, known: LaneLimits) -> str:
        return "这个通道正在运行。" if known.is_on else ""


def _cap_field(title: str) -> YuanField:
    return YuanField(
        label=f"{title}每 24 小时（元）", required=False, max_length=20, widget=UnfoldAdminTextInputWidget()
    )


class LimitsForm(LaneForm):
    told = "留空表示不限。"
    buyer_fen = _cap_field(CAPS["buyer_fen"])
    payer_fen = _cap_field(CAPS["payer_fen"])
    device_fen = _cap_field(CAPS["device_fen"])
    shop_fen = _cap_field(CAPS["shop_fen"])
    platform_fen = _cap_field(CAPS["platform_fen"])
    audit_percent = number_field(least=0, most=100, label="事后抽查（%）", help_text="0–100；留空同 0。")
    note = note_field(required=True, label="原因", help_text=SHORT)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in CAPS:
            fen = getattr(self.known, name, None)
            self.fields[name].initial = "" if fen is None else f"{fen // 100}.{fen % 100:02}"
        self.fields["audit_percent"].initial = getattr(self.known, "audit_percent", None)


# --- the page ---------------------------------------------------------------------------------------------------------


@admin.register(LaneLimits)
class LaneLimitsDesk(Desk):
    list_display = ("moment", "lane_name", "state", *(f"show_{name}" for name in CAPS), "audit", "setter", "why")
    list_display_links = ("moment",)
    list_filter = ("lane",)
    ordering = ("-pk",)
    list_select_related = ("set_by",)
    list_before_template = "admin/refunds/lanelimits/lanes.html"
    fields = ("moment", "lane_name", "state", *(f"show_{name}" for name in CAPS), "audit", "setter", "reason")
    readonly_fields = ("moment", "lane_name", "state", *(f"show_{name}" for name in CAPS), "audit", "setter")
    actions_list = ("pause", "resume", "set_limits")

    moment = when("at", "设置时间")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"lanes": self._lanes(request), "beyond": BEYOND} if self.has_view_permission(request) else {}
        return super().changelist_view(request, context | (extra_context or {}))

    def _lanes(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Each automatic lane as it stands now."""
        at = clock.now()
        used, erred = lanes.used_today(at=at), audits.figures(at=at)
        return [
            {
                "lane": lane,
                "row": row,
                "set": f"{called(row.set_by)} {timezone.localtime(row.at):%m-%d %H:%M} 设置" if row.pk else "默认设置",
                "caps": [(title, _cap(getattr(row, name))) for name, title in CAPS.items()],
                "used_fen": used[lane],
                "used_share": _share(used[lane], row.platform_fen),
                "audit": _audit_words(erred[lane]),
                "audit_url": list_url(AuditSample, lane__exact=lane.value),
                "buttons": self._buttons(request, row),
            }
            for lane, row in lanes.limits().items()
        ]

    def _buttons(self, request: HttpRequest, row: LaneLimits) -> list[dict[str, Any]]:
        names = ["pause" if row.is_on else "resume", "set_limits"]
        buttons = []
        for name in names:
            if self.may_act(request, name):
                act = self.get_unfold_action(name)
                look = "danger" if act.dialog["danger"] else "plain" if name == "set_limits" else "primary"
                address = reverse(f"admin:{act.action_name}") + f"?lane={row.lane}"
                buttons.append({"title": act.description, "icon": act.icon, "url": address, "look": look})
        return buttons

    # --- columns

    @admin.display(description="通道")
    def lane_name(self, row: LaneLimits) -> str:
        return str(Lane(row.lane).label)

    @admin.display(description="自动退款")
    def state(self, row: LaneLimits) -> SafeString:
        return badge("开启", "good") if row.is_on else badge("暂停", "attention")

    @admin.display(description="抽查")
    def audit(self, row: LaneLimits) -> str:
        return f"{row.audit_percent}%"

    @admin.display(description="设置人")
    def setter(self, row: LaneLimits) -> str:
        return called(row.set_by)

    @admin.display(description="原因")
    def why(self, row: LaneLimits) -> SafeString:
        return format_html('<span class="desk-clip" title="{}">{}</span>', row.reason, row.reason)

    @admin.display(description=CAPS["buyer_fen"])
    def show_buyer_fen(self, row: LaneLimits) -> SafeString:
        return _cap(row.buyer_fen)

    @admin.display(description=CAPS["payer_fen"])
    def show_payer_fen(self, row: LaneLimits) -> SafeString:
        return _cap(row.payer_fen)

    @admin.display(description=CAPS["device_fen"])
    def show_device_fen(self, row: LaneLimits) -> SafeString:
        return _cap(row.device_fen)

    @admin.display(description=CAPS["shop_fen"])
    def show_shop_fen(self, row: LaneLimits) -> SafeString:
        return _cap(row.shop_fen)

    @admin.display(description=CAPS["platform_fen"])
    def show_platform_fen(self, row: LaneLimits) -> SafeString:
        return _cap(row.platform_fen)

    # --- acts

    @staff_act(
        PauseForm, title="暂停自动退款", submit="确认暂停", icon="pause", danger=True, refused_by=(lanes.CannotSet,)
    )
    def pause(self, request: HttpRequest, form: PauseForm) -> str:
        return _switch(request, form, is_on=False)

    @staff_act(ResumeForm, title="恢复自动退款", submit="确认恢复", icon="play_arrow", refused_by=(lanes.CannotSet,))
    def resume(self, request: HttpRequest, form: ResumeForm) -> str:
        return _switch(request, form, is_on=True)

    @staff_act(LimitsForm, title="修改额度", submit="保存", icon="speed", refused_by=(lanes.CannotSet,))
    def set_limits(self, request: HttpRequest, form: LimitsForm) -> str:
        said = form.cleaned_data
        row = lanes.set_limits(
            _lane(form),
            by=me(request),
            at=clock.now(),
            reason=said["note"],
            audit_percent=said["audit_percent"] or 0,
            **{name: said[name] for name in CAPS},
        )
        log(request, [row], f"修改额度：{row.reason}")
        messages.success(request, f"“{Lane(row.lane).label}”的新额度已生效。")
        return list_url(LaneLimits)


def _switch(request: HttpRequest, form: LaneForm, *, is_on: bool) -> str:
    words = "恢复自动退款" if is_on else "暂停自动退款"
    note = form.cleaned_data["note"]
    row = lanes.switch(_lane(form), is_on=is_on, by=me(request), at=clock.now(), reason=note)
    log(request, [row], f"{words}：{row.reason}")
    messages.success(request, f"“{Lane(row.lane).label}”已{words}。")
    return list_url(LaneLimits)


def _lane(form: LaneForm) -> Lane:
    assert form.lane  # a form without a lane has refused already
    return form.lane


def _cap(fen: int | None) -> SafeString:
    return format_html('<span class="desk-money">{}</span>', "不限" if fen is None else yuan(fen))


def _share(used_fen: int, most_fen: int | None) -> int | None:
    """Of the platform's cap, in percent; empty where there is none."""
    if most_fen is None:
        return None
    return min(100, round(100 * used_fen / most_fen)) if most_fen else 100


def _audit_words(figures: Figures) -> str:
    if figures.wrong_percent is None:
        checked = "近 30 天没有抽查结论"
    else:
        checked = f"近 30 天抽查 {figures.checked} 件，有误 {figures.wrong} 件（{figures.wrong_percent:g}%）"
    return f"{checked}；待抽查 {figures.waiting} 件"
