"""退款申请, what each step asks (B5). What may be asked for is the domain's word, also where it is said at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from form_fields import YuanField
from refunds import askable
from refunds import reading as case
from refunds.applying import Application
from refunds.lifecycle import StepRefused
from refunds.models import Destination
from refunds.reasons import REASONS
from refunds.refundable import Refundable
from shops.models import RefundPolicy


class _Step(forms.Form):
    @contextmanager
    def refused_beside(self, field: str) -> Iterator[None]:
        """What the domain would refuse later it is asked here, to be said with everything else that is wrong."""
        try:
            yield
        except StepRefused as refusal:
            self.add_error(field, str(refusal))


class ReasonForm(_Step):
    """为什么退, and which of several units, by their position in the order."""

    reason = forms.ChoiceField(
        label=_("退款原因"), widget=forms.RadioSelect, error_messages={"required": _("请选择退款原因。")}
    )
    lines = forms.TypedMultipleChoiceField(
        label=_("退哪几件"),
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("请至少选择一件商品。")},
    )

    def __init__(self, *args: Any, policy: RefundPolicy, refundable: Sequence[Refundable], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        self.refundable = refundable
        self.fields["reason"].choices = [(code, case.reason_title(code)) for code in REASONS]  # type: ignore[attr-defined]
        positions = [item.line.position for item in refundable]
        if len(positions) == 1:  # one unit needs no choice
            del self.fields["lines"]
        else:
            self.fields["lines"].choices = [(position, str(position)) for position in positions]  # type: ignore[attr-defined]
            self.initial.setdefault("lines", positions)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if "reason" in said and "lines" not in self.errors:
            with self.refused_beside("reason"):
                askable.check_reason(self.policy, said["reason"], self.chosen())
        return said

    def chosen(self) -> list[Refundable]:
        """The units chosen, of a form that has been read; all of them where there is no choice."""
        positions = self.cleaned_data.get("lines")
        return [item for item in self.refundable if positions is None or item.line.position in positions]

    def answers(self) -> dict[str, Any]:
        return {"reason": self.cleaned_data["reason"], "lines": self.cleaned_data.get("lines")}

    def application(self) -> Application:
        """For a look ahead, of whatever can be read."""
        return Application(
            reason=self.cleaned_data.get("reason", ""), line_ids=[item.line.pk for item in self.chosen()]
        )


class MaterialForm(_Step):
    """发生了什么: in words, beside the pictures."""

    description = forms.CharField(
        label=_("问题描述"), required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 5})
    )

    def __init__(self, *args: Any, reason: str, template: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reason = reason
        self.template = template
        field = self.fields["description"]
        field.help_text = gettext("写明时间、经过和结果；卡密不用写，写了也会自动遮住。")
        if not REASONS[reason].needs_description:
            field.label = gettext("问题描述（选填）")
        if not self.initial.get("description"):
            self.initial["description"] = template

    def clean_description(self) -> str:
        """A template that nobody filled in says nothing."""
        said = str(self.cleaned_data["description"]).strip()
        return "" if said == self.template else said

    def demand_words(self) -> None:
        """Before going on: the reasons that need words have some. Call on a form that is valid."""
        with self.refused_beside("description"):
            askable.check_words(self.reason, self.cleaned_data["description"])


class MoneyForm(_Step):
    """退多少、退到哪里、怎么联系."""

    amount = YuanField(label=_("退款金额（元）"), required=False)
    destination = forms.ChoiceField(
        label=_("退款方式"), widget=forms.RadioSelect, choices=Destination.to_ask_for(), required=False
    )
    contact = forms.CharField(
        label=_("联系方式（选填）"),
        required=False,
        max_length=60,
        help_text=_("审核有疑问时联系您，手机或微信均可。"),
        widget=forms.TextInput(attrs={"autocomplete": "tel"}),
    )

    def __init__(self, *args: Any, most_fen: int, has_balance: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.most_fen = most_fen
        most = f"{most_fen / 100:.2f}"
        amount = self.fields["amount"]
        amount.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off", "placeholder": most}
        amount.help_text = gettext("最多可退 ¥%(most)s；部分退款请改小，留空即全额。") % {"most": most}
        if not has_balance:
            del self.fields["destination"]

    def clean_amount(self) -> int | None:
        """All that is left is kept as "all that is left": it stays right when something of it is paid back."""
        fen: int | None = self.cleaned_data["amount"]
        if fen is not None:
            with self.refused_beside("amount"):
                askable.check_amount(fen, self.most_fen)
        return None if fen == self.most_fen else fen

    def answers(self) -> dict[str, Any]:
        said = self.cleaned_data
        return {
            "amount_fen": said.get("amount"),
            "destination": said.get("destination") or Destination.ORIGINAL,
            "contact": said["contact"].strip(),
        }
