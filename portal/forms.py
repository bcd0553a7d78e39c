"""What a shop's people type in, held against what its row may hold. What may be done with it is the domain's word."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from form_fields import PictureField, PicturesField, YuanField
from orders import service_jobs, talk
from refunds.reading import localized
from shops.life import Papers
from shops.models import (
    Category,
    Coupon,
    CouponKind,
    Fulfilment,
    Product,
    ProductKind,
    RefundPolicy,
    ShopRole,
    Supplier,
)
from shops.models.product import EARLIEST, HIGHEST_PRICE_FEN, LATEST, OUT_OF_TIME

LONGEST_PROMISE_MINUTES = 30 * 24 * 60

# --- orders -----------------------------------------------------------------------------------------------------------


class MessageForm(forms.Form):
    text = forms.CharField(
        label=_("留言"),
        max_length=talk.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("买家会收到通知。承诺会作为凭证保留；卡密会被遮盖。"),
        error_messages={"required": _("请写下要说的话。")},
    )


class CancelForm(forms.Form):
    reason = forms.CharField(label=_("给买家的说明"), max_length=200, required=False)


class ReportForm(forms.Form):
    """进度与凭证."""

    percent = forms.IntegerField(
        label=_("进度（%）"), min_value=0, max_value=100, required=False,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    text = forms.CharField(
        label=_("说明"), max_length=service_jobs.LONGEST, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    image = PictureField(label=_("图片（选填）"), required=False, help_text=_("8 MB 以内，JPG、PNG 或 WebP。"))


class WholeRow:
    """A row is held against all of its constraints, also where a form shows only some of their columns."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:  # type: ignore[attr-defined]
            return
        try:
            self.instance.validate_constraints()  # type: ignore[attr-defined]
        except ValidationError as refused:
            self._update_errors(refused)  # type: ignore[attr-defined]


# --- products ---------------------------------------------------------------------------------------------------------


class ProductForm(WholeRow, forms.ModelForm):
    """商品. What it is and how it is handed over is said once: codes and orders rest on it."""

    price = YuanField(label=_("价格（元）"))

    class Meta:
        model = Product
        fields = (
            "name", "kind", "fulfilment", "category", "face_value", "validity", "description", "not_refundable_note",
            "delivery_promise_minutes", "policy", "recipient_kind", "supplier", "supplier_sku", "is_cross_border",
        )  # fmt: skip
        widgets = {
            "description": forms.Textarea(attrs={"rows": 4}),
            "not_refundable_note": forms.Textarea(attrs={"rows": 3}),
        }
        help_texts = {
            "face_value": _("例如 100 元、648 钻石。"),
            "validity": _("例如“激活后 30 天”。"),
            "not_refundable_note": _("写明哪些情况不退，买家付款前就能看到。"),
            "delivery_promise_minutes": _("1 小时填 60，1 天填 1440，2 天填 2880。超过承诺时间，买家可以一键退款。"),
            "supplier": _("直充由它执行；卡密由它查询是否兑换。"),
            "recipient_kind": _("直充和代练需要买家填写时选择。"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["name", "kind", "fulfilment", "category", "face_value", "price"])
        if self.instance.pk:
            self.initial["price"] = f"{self.instance.price_fen / 100:.2f}"
            del self.fields["kind"], self.fields["fulfilment"]
        self.fields["price"].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        self.fields["delivery_promise_minutes"].widget.attrs["inputmode"] = "numeric"
        self.fields["delivery_promise_minutes"].min_value = 1  # type: ignore[attr-defined]
        self._choices("category", Category.objects.all())
        self.fields["category"].label_from_instance = lambda row: localized(row.name, row.name_en)  # type: ignore[attr-defined]
        self._choices("supplier", Supplier.objects.filter(is_active=True).order_by("name"))
        self._choices("policy", policies_on_offer(self.instance))

    def _choices(self, name: str, rows: Any) -> None:
        self.fields[name].queryset = rows  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        price_fen = said.get("price")
        if price_fen is not None and price_fen > HIGHEST_PRICE_FEN:
            self.add_error("price", gettext("价格须在 ¥0.01 与 ¥100,000.00 之间。"))
        elif price_fen is not None:
            self.instance.price_fen = price_fen
        promise = said.get("delivery_promise_minutes", 1)
        if not promise:
            self.add_error("delivery_promise_minutes", gettext("请填写至少 1 分钟。"))
        elif promise > LONGEST_PROMISE_MINUTES:  # what is never late is never given back by itself
            self.add_error("delivery_promise_minutes", gettext("最长 43200 分钟，即 30 天。"))
        if said.get("fulfilment") == Fulfilment.SERVICE and said.get("kind") != ProductKind.SERVICE:
            self.add_error("fulfilment", gettext("只有代练与定制由人工交付。"))
        return said


def policies_on_offer(product: Product) -> Any:
    """The newest version of each policy, and the one that the product has."""
    published = RefundPolicy.objects.filter(published_at__isnull=False)
    newest = published.order_by("code", "-version").distinct("code").values_list("pk", flat=True)
    return RefundPolicy.objects.filter(pk__in=[*newest, product.policy_id or 0]).order_by("code", "-version")


# --- coupons ----------------------------------------------------------------------------------------------------------


class MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class CouponForm(WholeRow, forms.ModelForm):
    """优惠券: a sum or a share off, from a sum on, between two moments, so many times."""

    code = forms.RegexField(
        label=_("券码"), regex=r"^\s*[0-9A-Za-z]{3,20}\s*$", max_length=22,
        error_messages={"invalid": _("券码用 3 到 20 位字母或数字。")},
    )  # fmt: skip
    off = YuanField(label=_("立减（元）"), required=False)
    minimum = YuanField(label=_("满多少元可用（选填）"), required=False)
    starts_at = forms.DateTimeField(label=_("开始"), widget=MomentInput, input_formats=["%Y-%m-%dT%H:%M"])
    ends_at = forms.DateTimeField(label=_("结束"), widget=MomentInput, input_formats=["%Y-%m-%dT%H:%M"])

    class Meta:
        model = Coupon
        fields = ("code", "kind", "off_percent", "most_uses", "is_active")

    def __init__(self, *args: Any, at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["code", "kind", "off", "off_percent", "minimum", "starts_at", "ends_at", "most_uses"])
        row = self.instance
        self.fields["off_percent"].required = False
        self.fields["off_percent"].label = gettext("减去百分之几")
        self.fields["most_uses"].min_value = 1  # type: ignore[attr-defined]
        if row.pk:
            self.initial.update({"off": f"{row.off_fen / 100:.2f}" if row.off_fen else ""})
            self.initial.update({"minimum": f"{row.minimum_fen / 100:.2f}" if row.minimum_fen else ""})
            self.initial.update({"starts_at": row.starts_at, "ends_at": row.ends_at})
        else:
            now = timezone.localtime(at).replace(second=0, microsecond=0)
            self.initial.update({"starts_at": now, "ends_at": now + timedelta(days=30)})
        for name in ("off", "minimum"):
            self.fields[name].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        for name in ("off_percent", "most_uses"):
            self.fields[name].widget.attrs["inputmode"] = "numeric"

    def clean_code(self) -> str:
        code = self.cleaned_data["code"].strip().upper()
        if Coupon.objects.filter(shop=self.instance.shop_id, code=code).exclude(pk=self.instance.pk).exists():
            raise ValidationError(gettext("这个券码已经用过，请换一个。"))
        return code

    def clean(self) -> dict[str, Any]:
        """The other kind's number is put aside; which numbers make sense the constraints say."""
        said = super().clean() or {}
        is_fixed = said.get("kind") == CouponKind.FIXED
        row = self.instance
        row.off_fen = (said.get("off") or 0) if is_fixed else 0
        said["off_percent"] = 0 if is_fixed else (said.get("off_percent") or 0)
        row.minimum_fen = said.get("minimum") or 0
        starts, ends = said.get("starts_at"), said.get("ends_at")
        if starts and ends:
            self._keep_times(starts, ends)
        if said.get("most_uses") == 0:
            self.add_error("most_uses", gettext("至少 1 次。"))
        return said

    def _keep_times(self, starts: datetime, ends: datetime) -> None:
        """Times that no page could show stay out of the row."""
        outside = [name for name, at in (("starts_at", starts), ("ends_at", ends)) if not EARLIEST <= at < LATEST]
        for name in outside:
            self.add_error(name, OUT_OF_TIME)
        if not outside:
            self.instance.starts_at, self.instance.ends_at = starts, ends
        if ends <= starts:
            self.add_error("ends_at", gettext("结束须晚于开始。"))


# --- people and the shop ----------------------------------------------------------------------------------------------


class MemberForm(forms.Form):
    username = forms.CharField(
        label=_("对方的账号名"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(label=_("身份"), choices=ShopRole.choices, initial=ShopRole.CLERK)


class LeaveForm(forms.Form):
    reason = forms.CharField(label=_("原因（选填）"), max_length=200, required=False)
    sure = forms.BooleanField(label=_("我知道退出后不能自行恢复"), error_messages={"required": _("请先勾选确认。")})


class ReplyForm(forms.Form):
    text = forms.CharField(label=_("回复"), max_length=500, widget=forms.Textarea(attrs={"rows": 2}))


class ApplicationForm(forms.Form):
    """入驻申请."""

    name = forms.CharField(label=_("店铺名"), max_length=60)
    goods = forms.CharField(label=_("经营品类"), max_length=200, help_text=_("例如：手游点卡、视频会员、话费直充。"))
    about = forms.CharField(label=_("店铺简介（选填）"), max_length=200, required=False)
    contact = forms.CharField(label=_("联系方式"), max_length=60, help_text=_("审核有疑问时联系您，手机或微信均可。"))
    documents = PicturesField(
        label=_("材料图片"),
        help_text=_("营业执照、负责人身份证明、货源证明等，1 到 6 张，每张 8 MB 以内。仅供审核，不对外公开。"),
        error_messages={"required": _("请至少上传一张材料图片。")},
    )

    def clean_documents(self) -> list[Any]:
        pictures = self.cleaned_data["documents"]
        if not pictures:
            raise ValidationError(self.fields["documents"].error_messages["required"])
        return list(pictures)

    def papers(self) -> Papers:
        said = self.cleaned_data
        documents = [(gettext("材料 %(n)d") % {"n": n}, picture) for n, picture in enumerate(said["documents"], 1)]
        return Papers(said["name"], said["goods"], said["contact"], said["about"], documents)
