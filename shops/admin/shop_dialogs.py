"""Dialogs of the acts on one shop: its life by operators, its deposit by finance."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from accounts.desk import DialogForm, key, note_field
from shops import money as money_of
from shops.life import STEPS
from shops.models import Shop, ShopStatus


class ShopForm(DialogForm):
    """An act on one shop; where it cannot be done (any more), the dialog says why."""

    template = "admin/shops/shop/dialog.html"
    step = ""

    @cached_property
    def shop(self) -> Shop | None:
        return Shop.objects.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.shop is None:
            return "没有这家店铺。"
        if self.step and ShopStatus(self.shop.status) not in STEPS[self.step].sources:
            return f"店铺现在是“{self.shop.get_status_display()}”，不能做这一步。"
        return ""

    def facts(self) -> dict[str, Any]:
        return {
            "shop": self.shop,
            "told": self.told,
            "purse": money_of.purses([self.shop.pk])[self.shop.pk] if self.shop else None,
        }

    told = ""


class SuspendForm(ShopForm):
    step = "suspend"
    told = "店铺立即停止销售，商品从列表消失，保障标识取消。未完成的订单不会自动取消，需要时请另做“批量取消”。"
    reason = note_field(required=True, label="原因", help_text="店铺成员会看到。")


class ReinstateForm(ShopForm):
    step = "reinstate"
    told = "店铺恢复销售。保障标识须按规则重新获得。"
    reason = note_field(required=True, label="原因", help_text="店铺成员会看到。")


class DismissForm(ShopForm):
    step = "dismiss"
    told = "店铺停止销售，不能恢复。未完成的订单和退款全部了结后，系统自动关店。"
    reason = note_field(required=True, label="原因", help_text="店铺成员会看到。")


def _amount_field() -> forms.DecimalField:
    return forms.DecimalField(
        label="金额（元）",
        max_digits=9,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget(),
        error_messages={"invalid": "请填写金额，最多两位小数。", "required": "请填写金额。"},
    )


class DepositForm(ShopForm):
    told = "只登记店铺存入的；退还须两个人，请用“退还保证金”。"
    amount = _amount_field()
    voucher = forms.CharField(
        label="凭证号",
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        error_messages={"required": "请填写凭证号。"},
    )
    note = note_field(required=False, label="说明（选填）")


class DepositBackForm(ShopForm):
    told = "提出后由另一位财务在银行付款并登记凭证；在此之前钱不动。冲正登记错的存入也这样办。"
    amount = _amount_field()
    note = note_field(required=True, label="事由", help_text="店铺会在保证金流水里看到，不超过 200 字。")
