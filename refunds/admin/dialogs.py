"""The dialogs of a case: what each asks, and what it shows first. Why it may refuse: ``refusals.py``."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast
from uuid import UUID

from django import forms

import clock
from accounts.desk import (
    DialogForm,
    amount_field,
    called,
    canned_field,
    choice_field,
    chosen_keys,
    key,
    me,
    note_field,
    yuan,
)
from accounts.models import User
from accounts.roles import Role
from notices import wording
from orders.models import Delivery
from payments import outgoing
from refunds import canned, disbursement, evidence, followups, goods, grounds, objections
from refunds.admin import leaving
from refunds.admin.refusals import may_check, why_not
from refunds.models import Consultation, Objection, Offer, PayoutLine, RedirectAgreement, Refund
from refunds.models import Status as S
from refunds.payouts import releasing
from refunds.reasons import REASONS
from shops import checking

# --- steps on one case ----------------------------------------------------------------------------------------------


class StepForm(DialogForm):
    """A step on one case: what it is about, and what everybody will read. Where it cannot be taken (any more), the
    dialog says why, and offers nothing. ``step`` is set by the table (``desk_steps.py``)."""

    template = "admin/refunds/refund/dialog_case.html"
    step = ""

    @cached_property
    def case(self) -> Refund | None:
        rows = Refund.objects.select_related("order__policy", "order__shop", "payment__account", "buyer", "claimed_by")
        return rows.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.case is None:
            return "没有这张退款单。"
        return why_not(self.case, self.step, cast(User, self.request.user), at=clock.now())

    def arguments(self) -> dict[str, Any]:
        """What the step's function takes beside the case, by whom and when."""
        return {name: value for name, value in self.cleaned_data.items() if name not in {"reply", "_form_submitted"}}

    def facts(self) -> dict[str, Any]:
        if self.case is None or self.refusal:
            return {}
        return {
            "case": self.case,
            "reason": reason_of(self.case),
            "told": self.told(),
            "words": self.case.description,
            "missing": [guide.title for guide in evidence.missing(self.case)],
        }

    def told(self) -> list[dict[str, str]]:
        """What each side will read, cut where the note goes."""
        case = cast(Refund, self.case)
        found = []
        if self.step not in followups.SILENT:
            found.append(self._telling("买家", followups.kind_of(case, self.step)))
        if self.step in followups.SHOP_HEARS - followups.ONLY_BY_MACHINE - followups.ONLY_IF_ASKED:
            found.append(self._telling("商家", f"shop_refund_{self.step}"))
        return found

    def _telling(self, who: str, kind: str) -> dict[str, str]:
        case = cast(Refund, self.case)
        note = "\0" if "note" in self.fields else self.own_words(case)
        params = {"refund_no": case.refund_no, "amount": yuan(case.amount_fen), "note": note}
        before, cut, after = wording.text(kind, params).partition("\0")
        return {"who": who, "before": before, "after": after, "quotes_note": cut}

    def own_words(self, case: Refund) -> str:
        """What stands for the note where the step asks for none."""
        return ""


class NotedForm(StepForm):
    """A step with words of its own, or a canned reply where none are written (K4)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        replies = list(canned.in_use(self.step)) if self.case else []
        if not replies:
            return
        self._replies = {str(row.pk): canned.filled(row.text, cast(Refund, self.case)) for row in replies}
        self._replies |= {
            f"{row.pk}-en": canned.filled(row.text_en, cast(Refund, self.case)) for row in replies if row.text_en
        }
        self._grounds = {str(row.pk): row.ground for row in replies}
        choices = [(str(row.pk), row.title) for row in replies]
        choices += [(f"{row.pk}-en", f"{row.title}（英文）") for row in replies if row.text_en]
        self.fields["reply"] = canned_field(choices, self._replies)
        before = [name for name in self.fields if name not in {"note", "reply"}]
        self.order_fields([*before, "reply", "note"])

    def clean(self) -> dict[str, Any]:
        """The choice itself counts where nothing is written beside it."""
        said = super().clean() or {}
        chosen = said.get("reply", "")
        if chosen and not said.get("note", "").strip():
            said["note"] = self._replies[chosen]
            self._errors.pop("note", None)
        if chosen and "ground" in self.fields and not said.get("ground"):
            said["ground"] = self._grounds[chosen.removesuffix("-en")]
            if said["ground"]:
                self._errors.pop("ground", None)
        if canned.LEFT_OPEN.search(said.get("note", "")):
            self.add_error("note", "请把〔…〕处填写完整。")
        return said


class ApproveForm(NotedForm):
    note = note_field(required=False, label="审核说明（选填）", help_text="显示在买家的退款进度页。")


class ColleagueForm(NotedForm):
    """Words for a colleague."""

    note = note_field(required=True, label="说明", help_text="同事可见。")


class HaltForm(NotedForm):
    note = note_field(required=True, label="拦截理由", help_text="同事可见；买家只会看到“正在复核，暂缓放款”。")


class WordsForm(NotedForm):
    """Words for the buyer."""

    note = note_field(required=True, label="给买家的话", help_text="买家会读到。")


class RefuseForm(NotedForm):
    """驳回: the ground of the list, and the reason (S1-16, S0-21)."""

    ground = choice_field(
        choices=[(code, str(ground.title)) for code, ground in grounds.GROUNDS.items()], label="驳回依据"
    )
    note = note_field(
        required=True,
        label="驳回理由",
        placeholder="写明依据的事实与规则，例如：卡密已于 11-20 20:03 在您的设备上查看，兑换记录显示已使用。",
    )

    def facts(self) -> dict[str, Any]:
        found = super().facts()
        if not found:
            return found
        hints = [(str(ground.title), str(ground.hint)) for ground in grounds.GROUNDS.values()]
        return found | {"hints": hints, "without_proof": bool(grounds.without_proof([cast(Refund, self.case)]))}


class AskForm(NotedForm):
    """要求补充, of the buyer or of the shop (S1-12)."""

    of = choice_field(choices=[("buyer", "买家"), ("merchant", "商家")], label="请谁补充")
    note = note_field(
        required=True, label="需要补充什么", placeholder="例如：请上传兑换页面的报错截图，需能看清时间与卡号后四位。"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["of"].initial = "buyer"
        self.fields["of"].required = False

    def clean_of(self) -> str:
        return self.cleaned_data["of"] or "buyer"

    def told(self) -> list[dict[str, str]]:
        return [
            self._telling("买家（请买家补充时）", f"refund_{self.step}"),
            self._telling("商家（请商家补充时）", f"shop_refund_{self.step}"),
        ]


class ConsultForm(NotedForm):
    """第三方核实: the supplier, or a technician (S2-8, S3-11)."""

    whom = choice_field(choices=[("supplier", "供应商 / 发卡方"), ("technician", "技术人员")], label="核实对象")
    note = note_field(
        required=True, label="要核实什么", help_text="同事可见；买家只会看到“正在核实，需要的时间会长一些”。"
    )


class AnswerForm(NotedForm):
    """记录核实结果, beside what was asked."""

    note = note_field(required=True, label="对方的答复", help_text="同事可见。")

    def facts(self) -> dict[str, Any]:
        found = super().facts()
        asked = Consultation.objects.filter(refund=self.case, answer="").first() if found else None
        return found | {"asked": asked}


class HandOverForm(NotedForm):
    """转交 to a colleague, or back to the queue."""

    to = choice_field(choices=[], label="转交给")
    note = note_field(required=False, label="说明（选填）", help_text="同事可见。")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._people = {str(person.pk): person for person in colleagues(self.case, cast(User, self.request.user))}
        people = [(code, f"{called(who)}（{who.get_role_display()}）") for code, who in self._people.items()]
        self.fields["to"].choices = [("", "放回队列，谁都可以认领"), *people]
        self.fields["to"].required = False

    def arguments(self) -> dict[str, Any]:
        return {"note": self.cleaned_data["note"], "to": self._people.get(self.cleaned_data["to"])}


class PartForm(NotedForm):
    """协商 above the limit: a part of the money, within its limits."""

    amount = amount_field()
    note = note_field(required=True, label="方案的理由", help_text="买家会读到。")

    def clean_amount(self) -> int | None:
        """Fen."""
        given = self.cleaned_data["amount"]
        if given is None:
            return None
        least, most = offer_limits(cast(Refund, self.case))
        fen = int(given * 100)
        if not least <= fen <= most:
            raise forms.ValidationError(f"金额须在 {yuan(least)} 与 {yuan(most)} 之间；全额退款请用“通过”。")
        return fen

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if said.get("amount") is None and "amount" not in self._errors and said.get("kind", "part") == "part":
            self.add_error("amount", "请填写金额。")
        return said

    def arguments(self) -> dict[str, Any]:
        return {"note": self.cleaned_data["note"], "amount_fen": self.cleaned_data.get("amount")}

    def facts(self) -> dict[str, Any]:
        found = super().facts()
        return found | {"limits": offer_limits(cast(Refund, self.case))} if found else found


class OfferForm(PartForm):
    """协商: a part of the money, or a new code."""

    kind = choice_field(choices=[("part", "部分退款"), ("replacement", "补发新卡密")], label="方案")

    field_order = ("kind", "amount", "reply", "note")

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if said.get("kind") == "replacement":
            said["amount"] = None
            if refusal := goods.why_not_replaceable(cast(Refund, self.case)):
                self.add_error("kind", refusal)
        return said


class ConfirmOfferForm(StepForm):
    """确认方案, beside what a colleague has drafted: that one, and none that was drafted since."""

    offer_id = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["offer_id"].initial = self.offer.pk if self.offer else 0

    def facts(self) -> dict[str, Any]:
        found = super().facts()
        return found | {"offer": self.offer} if found else found

    @cached_property
    def offer(self) -> Offer | None:
        return Offer.objects.filter(refund=self.case, answer="").select_related("made_by").first()


class RedirectForm(StepForm):
    """确认新去向, beside what the buyer has signed (I13): that, and nothing that was signed since."""

    agreement_id = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agreement_id"].initial = self.signed.pk if self.signed else 0

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"signed": self.signed}

    @cached_property
    def signed(self) -> RedirectAgreement | None:
        rows = RedirectAgreement.objects.filter(refund=self.case, confirmed_at=None, lapsed_at=None)
        return rows.select_related("payee", "real_name", "signed_by").first()


class ReleaseForm(StepForm):
    """放款, wherever the money goes."""

    template = "admin/refunds/refund/dialog_release.html"

    def facts(self) -> dict[str, Any]:
        found = super().facts()
        if not found:
            return found
        case = cast(Refund, self.case)
        obstacle = disbursement.why_not(case, at=clock.now())
        return found | {"obstacle": obstacle, "waits_for": leaving.waits_for(case, outgoing.now())}


class ObjectionForm(DialogForm):
    """异议结论, by a senior who has not decided the case; money stays where it is."""

    template = "admin/refunds/refund/dialog_objection.html"
    verdict = choice_field(
        choices=[
            (objections.UPHELD, "成立：不由店铺承担，买家的退款不变"),
            (objections.DISMISSED, "不成立：维持原判定"),
        ],
        label="结论",
    )
    note = note_field(required=True, label="结论说明", help_text="商家会读到。")

    @cached_property
    def objection(self) -> Objection | None:
        rows = Objection.objects.select_related("refund__order__shop", "by")
        return rows.filter(refund=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.objection is None:
            return "商家没有提出异议。"
        if self.objection.verdict:
            return "这项异议已有结论。"
        return objections.why_not_judge(self.objection.refund, cast(User, self.request.user))

    def facts(self) -> dict[str, Any]:
        return {"objection": None if self.refusal else self.objection}


# --- others ------------------------------------------------------------------------------------------------------


class CheckForm(DialogForm):
    """核验: what the issuer knows of the codes of this case."""

    @cached_property
    def code_ids(self) -> list[UUID]:
        delivered = Delivery.objects.filter(line__refund_lines__refund=key(self.object_id), code__isnull=False)
        return [pk for pk in delivered.order_by("line__position").values_list("code_id", flat=True) if pk]

    @cached_property
    def refusal(self) -> str:
        case = Refund.objects.select_related("order").filter(pk=key(self.object_id)).first()
        if case is None or not may_check(case, cast(User, self.request.user)):
            return "这张退款单与您本人或您的店铺有关，须由其他同事核验。"
        return "" if checking.can_look_up(self.code_ids) else "没有可核验的卡密：未发货，或商品没有登记发卡方。"


class ReleaseChosenForm(DialogForm):
    """放款 of the ticked cases: how many, how much in total, which of them are left out and why (N1)."""

    template = "admin/refunds/refund/dialog_release_chosen.html"

    @cached_property
    def cases(self) -> list[Refund]:
        rows = Refund.objects.select_related("order__shop", "payment__account", "buyer")
        return list(rows.filter(pk__in=chosen_keys(self.request)).order_by("promised_by", "pk"))

    @cached_property
    def ready(self) -> list[Refund]:
        return [case for case in self.cases if case.status == S.APPROVED and case.pk not in self.waiting]

    @cached_property
    def waiting(self) -> dict[int, PayoutLine]:
        """{case: its line} of what a batch pays in its turn."""
        return releasing.waiting_in(self.cases)

    @cached_property
    def refusal(self) -> str:
        if not self.cases:
            return "请先在列表中勾选要放款的退款单。"
        if self.waiting and not self.ready:
            return leaving.paid_by_batch(next(iter(self.waiting.values())), me(self.request))
        return "" if self.ready else "勾选的退款单都不在“审核通过”状态，没有可放款的。请刷新列表。"

    def facts(self) -> dict[str, Any]:
        at = clock.now()
        stopped = outgoing.now()
        return {
            "ready": [
                (case, disbursement.why_not(case, at=at), leaving.waits_for(case, stopped)) for case in self.ready
            ],
            "in_batch": [
                (case, leaving.paid_by_batch(self.waiting[case.pk], me(self.request)))
                for case in self.cases
                if case.pk in self.waiting
            ],
            "left_out": [case for case in self.cases if case.status != S.APPROVED and case.pk not in self.waiting],
            "total_fen": sum(case.amount_fen for case in self.ready),
        }


# --- small things -----------------------------------------------------------------------------------------------------


def colleagues(refund: Refund | None, user: User) -> list[User]:
    """Who may be handed this case: those who may decide it, the nearest first by name; at most two hundred."""
    if refund is None:
        return []
    roles = [Role.REVIEWER, Role.SENIOR] if refund.status == S.FIRST_REVIEW else [Role.SENIOR]
    own = [refund.buyer_id, refund.asked_by_id, user.pk]
    rows = User.objects.filter(role__in=roles, is_active=True).exclude(pk__in=[pk for pk in own if pk])
    return list(rows.exclude(shops=refund.shop_id).order_by("username")[:200])


def offer_limits(refund: Refund) -> tuple[int, int]:
    """(least, most) of an offer, in fen: a fen of every line, and less than what was asked for."""
    return refund.lines.count(), refund.amount_fen - 1


def reason_of(refund: Refund) -> str:
    reason = REASONS.get(refund.reason)
    return reason.title if reason else refund.reason
