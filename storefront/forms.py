"""What buyers type in, read here. What may be done with it is the domain's word, also where it is said at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from form_fields import PictureField, PicturesField, YuanField
from refunds import applying
from refunds import reading as case
from refunds.applying import Application, Refundable
from refunds.lifecycle import StepRefused
from refunds.reasons import REASONS
from shops.models import RefundPolicy


class FindForm(forms.Form):
    """查询订单: as it was written down, so spaces and case do not matter in the number."""

    order_no = forms.CharField(
        label=_("订单号"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    query_password = forms.CharField(
        label=_("查询密码"),
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("下单时设置的密码。"),
    )

    def clean_order_no(self) -> str:
        return "".join(self.cleaned_data["order_no"].split()).upper()


class QueryPasswordForm(forms.Form):
    """The query password once more, before a dear code is shown, or the orders leave for an account."""

    query_password = forms.CharField(
        label=_("查询密码"), strip=False, max_length=128, widget=forms.PasswordInput(attrs={"autocomplete": "off"})
    )


class ApplicationForm(forms.Form):
    """退款申请: reason first, then what it is about, then how much (B5)."""

    reason = forms.ChoiceField(
        label=_("退款原因"), widget=forms.RadioSelect, error_messages={"required": _("请选择退款原因。")}
    )
    lines = forms.TypedMultipleChoiceField(
        label=_("退哪几件"),
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("请至少选择一件商品。")},
    )
    amount = YuanField(label=_("退款金额（元）"), required=False)
    description = forms.CharField(
        label=_("问题描述"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("按“时间 + 经过 + 结果”写，例如：11月20日晚8点兑换，提示卡密已使用。"),
    )
    contact = forms.CharField(
        label=_("联系方式（选填）"),
        required=False,
        max_length=60,
        help_text=_("审核有疑问时联系您，手机或微信均可。"),
    )
    images = PicturesField(
        label=_("凭证图片（选填）"),
        required=False,
        help_text=_("最多 6 张，每张 8 MB 以内。请让订单号、时间、金额清晰可见。"),
    )

    def __init__(
        self, *args: Any, policy: RefundPolicy, refundable: Sequence[Refundable], most_fen: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        self.refundable = refundable
        self.most_fen = most_fen
        self.fields["reason"].choices = [(code, case.reason_title(code)) for code in REASONS]  # type: ignore[attr-defined]
        self._offer_lines(most_fen)

    def _offer_lines(self, most_fen: int) -> None:
        """One line needs no choice. With several, an empty amount means all that is left of those chosen."""
        most = f"{most_fen / 100:.2f}"
        amount = self.fields["amount"]
        amount.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        if len(self.refundable) == 1:
            del self.fields["lines"]
            self.initial.setdefault("amount", most)
            amount.help_text = gettext("可退 ¥%(most)s。部分退款请改小。") % {"most": most}
            return
        self.fields["lines"].choices = [(item.line.pk, str(item.line.position)) for item in self.refundable]  # type: ignore[attr-defined]
        self.initial.setdefault("lines", [item.line.pk for item in self.refundable])
        amount.widget.attrs["placeholder"] = gettext("留空即全额")
        amount.help_text = gettext("留空即退所选商品的全部可退金额（全部选中为 ¥%(most)s）。") % {"most": most}

    def clean(self) -> dict[str, Any]:
        """What the domain would refuse later it is asked here, to be said with everything else that is wrong."""
        said = super().clean() or {}
        chosen = said.get("lines", [item.line.pk for item in self.refundable])
        left_fen = sum(item.amount_fen for item in self.refundable if item.line.pk in chosen)
        if said.get("amount") is not None and "lines" not in self.errors:
            with self._refused_beside("amount"):
                applying.check_amount(said["amount"], min(left_fen, self.most_fen))
        if "reason" in said and "lines" not in self.errors:
            with self._refused_beside("reason"):
                items = [item for item in self.refundable if item.line.pk in chosen]
                applying.check_reason(self.policy, said["reason"], items)
        if {"reason", "description"} <= said.keys():
            with self._refused_beside("description"):
                applying.check_words(self.application())
        return said

    @contextmanager
    def _refused_beside(self, field: str) -> Iterator[None]:
        try:
            yield
        except StepRefused as refusal:
            self.add_error(field, str(refusal))

    def application(self) -> Application:
        """What was asked for. Of a form that is not valid, as much of it as can be read: enough for a preview."""
        said = self.cleaned_data
        return Application(
            reason=said.get("reason", ""),
            description=said.get("description", ""),
            contact=said.get("contact", ""),
            amount_fen=said.get("amount"),
            line_ids=said.get("lines"),
            images=said.get("images", ()),
        )


class EvidenceForm(forms.Form):
    """补充材料 (B7)."""

    note = forms.CharField(
        label=_("补充说明"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    images = PicturesField(
        label=_("凭证图片"), required=False, help_text=_("最多 6 张，每张 8 MB 以内，JPG、PNG 或 WebP。")
    )


class ReportForm(forms.Form):
    """进度与凭证 by the buyer of a service (S2-16)."""

    text = forms.CharField(
        label=_("情况说明"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    image = PictureField(label=_("图片"), required=False, help_text=_("8 MB 以内，JPG、PNG 或 WebP。"))
