"""What people type in, wherever they type it: amounts in yuan and pictures, read exactly and made safe (X1)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

import images

MOST_PICTURES = 6


class YuanField(forms.CharField):
    """An amount typed in yuan, read exactly into an int of fen. Empty is None."""

    def to_python(self, value: Any) -> Any:
        text = unicodedata.normalize("NFKC", super().to_python(value) or "").replace(",", "").strip()
        if not text:
            return None
        match = re.fullmatch(r"¥?\s*([0-9]{1,7})(?:\.([0-9]{1,2}))?\s*元?", text)
        if not match:
            raise forms.ValidationError(_("请填写金额，最多两位小数，例如 12.50。"), code="amount")
        yuan, fraction = match.groups()
        return int(yuan) * 100 + int((fraction or "").ljust(2, "0"))

    def validate(self, value: Any) -> None:
        if value is None and self.required:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        if value == 0:
            raise forms.ValidationError(_("金额须大于 0。"), code="amount")

    def run_validators(self, value: Any) -> None:
        """What matters was checked while reading."""


class PicturesInput(forms.FileInput):
    allow_multiple_selected = True


class PicturesField(forms.FileField):
    """Pictures: each is repainted before anybody keeps it (X1). Gives a list of ``images.Repainted``."""

    widget = PicturesInput(attrs={"accept": "image/*"})

    def clean(self, data: Any, initial: Any = None) -> Any:
        uploads: Sequence[UploadedFile] = [upload for upload in data or [] if upload]
        if len(uploads) > MOST_PICTURES:
            raise forms.ValidationError(
                _("最多 %(most)d 张图片，请少选几张。") % {"most": MOST_PICTURES}, code="too_many"
            )
        return [_repainted(upload) for upload in uploads]


class PictureField(forms.FileField):
    """One image, repainted (X1). Gives an ``images.Repainted``, or None."""

    widget = forms.FileInput(attrs={"accept": "image/*"})

    def clean(self, data: Any, initial: Any = None) -> Any:
        if not data and self.required:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return _repainted(data) if data else None


def _repainted(upload: UploadedFile) -> images.Repainted:
    try:
        if (upload.size or 0) > images.MAX_BYTES:
            raise images.UnusableImage("too_large")
        return images.repaint(upload.read())
    except images.UnusableImage as unusable:
        said = gettext(unusable.message)
        name = (upload.name or "")[:40]
        raise forms.ValidationError(f"{name}: {said}" if name else said, code=unusable.reason_code) from None
