"""What buyers type in, read here. What may be done with it is the domain's word, also where it is said at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from form_fields import PictureField, PicturesField
from refunds.evidence import ForSlot, Image
from refunds.guides import SlotGuide


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


class EvidenceForm(forms.Form):
    """补充材料 (B7): words, and pictures, each chosen for what it shows: one of the slots still missing, or 其他."""

    note = forms.CharField(
        label=_("补充说明"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    images = PicturesField(
        label=_("凭证图片"), required=False, help_text=_("最多 6 张，每张 8 MB 以内，JPG、PNG 或 WebP。")
    )

    def __init__(self, *args: Any, missing: Sequence[SlotGuide] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.missing = missing
        for guide in missing:
            self.fields[f"picture-{guide.slot}"] = PictureField(label=guide.title, required=False)
        if missing:
            self.fields["images"].label = gettext("其他图片（选填）")

    @property
    def slots(self) -> list[tuple[SlotGuide, forms.BoundField]]:
        return [(guide, self[f"picture-{guide.slot}"]) for guide in self.missing]

    def laid_down(self) -> list[Image]:
        """Of a valid form: the pictures, with what each is for."""
        said = self.cleaned_data
        chosen = [(guide.slot, said[f"picture-{guide.slot}"]) for guide in self.missing]
        return [ForSlot(slot, picture) for slot, picture in chosen if picture] + list(said["images"])


class ReportForm(forms.Form):
    """进度与凭证 by the buyer of a service (S2-16)."""

    text = forms.CharField(
        label=_("情况说明"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    image = PictureField(label=_("图片"), required=False, help_text=_("8 MB 以内，JPG、PNG 或 WebP。"))
