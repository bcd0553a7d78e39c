"""What buyers type in at the support centre. What may be done with it is the domain's word."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from form_fields import PicturesField
from orders.models import Order
from support import people, words
from support.models import ShopCause, Topic

MOST_ORDERS = 20
_PICTURES_HELP = _("最多 6 张，每张 8 MB 以内，JPG、PNG 或 WebP。")


class TicketForm(forms.Form):
    """提交工单. The orders to choose from are the buyer's latest; ``order_no`` from an address may be an older one."""

    topic = forms.ChoiceField(label=_("主题"), choices=Topic.choices, initial=Topic.REFUND)
    order_no = forms.ChoiceField(label=_("相关订单（选填）"), required=False)
    text = forms.CharField(
        label=_("问题"),
        max_length=words.LONGEST,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("写明时间、经过和结果。不要写卡密、密码和验证码；卡密会被遮盖。"),
        error_messages={"required": _("请写下要说的话。")},
    )
    images = PicturesField(label=_("图片（选填）"), required=False, help_text=_PICTURES_HELP)

    def __init__(self, *given: object, buyer: User, **options: object) -> None:
        super().__init__(*given, **options)  # type: ignore[arg-type]
        rows = Order.objects.filter(buyer__in=people.accounts_of(buyer)).prefetch_related("lines")
        latest = rows.select_related("shop").order_by("-placed_at", "-pk")[:MOST_ORDERS]
        self.orders = {order.order_no: order for order in latest}
        asked = str(self.data.get("order_no") or self.initial.get("order_no") or "").replace("\0", "")
        if asked and asked not in self.orders and (older := rows.filter(order_no=asked).first()):
            self.orders[asked] = older
        named = [(number, f"{number} · {order.lines.all()[0].product_name}") for number, order in self.orders.items()]
        self.fields["order_no"].choices = [("", _("不涉及订单")), *named]  # type: ignore[attr-defined]

    @property
    def order(self) -> Order | None:
        return self.orders.get(self.cleaned_data.get("order_no", ""))


class TicketMessageForm(forms.Form):
    text = forms.CharField(
        label=_("补充说明"),
        max_length=words.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("请写下要说的话。")},
    )
    images = PicturesField(label=_("图片（选填）"), required=False, help_text=_PICTURES_HELP)


class ComplaintForm(forms.Form):
    causes = forms.MultipleChoiceField(
        label=_("事由（可多选）"),
        choices=ShopCause.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("请选择至少一项事由。")},
    )
    text = forms.CharField(
        label=_("经过"),
        max_length=words.LONGEST,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("写明时间、经过和结果。开始调查后，商家能看到这段话和图片，并可答复一次。"),
        error_messages={"required": _("请写下要说的话。")},
    )
    images = PicturesField(label=_("图片（选填）"), required=False, help_text=_PICTURES_HELP)


class VerifyForm(forms.Form):
    """核实客服: a number, or words."""

    agent = forms.CharField(
        label=_("客服工号"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text=_("例如 1001。"),
    )
    said = forms.CharField(
        label=_("消息内容或消息编号"),
        required=False,
        max_length=words.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("整段粘贴您收到的话，或填 M、W 开头的消息编号。"),
    )
