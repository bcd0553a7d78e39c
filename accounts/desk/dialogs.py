"""What a dialog of the desk is, and the fields that it asks by."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)


class DialogForm(BaseDialogForm):
    """A dialog. ``refusal`` tells instead of the form why the act cannot be done now; ``facts`` are shown above it."""

    template = ""  # rendered above the fields
    warning = ""

    @cached_property
    def refusal(self) -> str:
        return ""

    def facts(self) -> dict[str, Any]:
        return {}

    def render_before_template(self) -> str:
        self.form_before_template = self.template or None
        return super().render_before_template()

    def get_before_template_context(self, request: HttpRequest, object_id: object = None) -> dict[str, Any]:
        return self.facts()


def note_field(*, required: bool, label: str, help_text: str = "", placeholder: str = "") -> forms.CharField:
    widget = UnfoldAdminTextareaWidget({"rows": 4, "placeholder": placeholder})
    return forms.CharField(
        label=label,
        required=required,
        max_length=500,
        help_text=help_text,
        widget=widget,
        error_messages={"required": "请填写，不能为空。"},
    )


def text_field(*, label: str, most: int, help_text: str = "") -> forms.CharField:
    """One line."""
    return forms.CharField(
        label=label,
        max_length=most,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        error_messages={"required": "请填写，不能为空。"},
    )


def choice_field(*, choices: Sequence[tuple[str, str]], label: str, help_text: str = "") -> forms.ChoiceField:
    """One of a few; none is chosen beforehand."""
    return forms.ChoiceField(
        label=label,
        choices=[("", "请选择"), *choices],
        help_text=help_text,
        widget=UnfoldAdminSelectWidget(),
        error_messages={"required": "请选择一项。", "invalid_choice": "请从列表中选择。"},
    )


def number_field(*, least: int, most: int, label: str, help_text: str = "") -> forms.IntegerField:
    """A whole number within its bounds; it may be left empty."""
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        max_value=most,
        help_text=help_text,
        widget=UnfoldAdminIntegerFieldWidget(),
        error_messages={"invalid": "请填写整数。"}
        | dict.fromkeys(["min_value", "max_value"], f"请填写 {least} 到 {most} 之间的整数。"),
    )


def amount_field(label: str = "金额（元）") -> forms.DecimalField:
    """Yuan with two decimals; it may be left empty."""
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=Decimal("0.01"),
        max_digits=10,
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off"}),
        error_messages=dict.fromkeys(
            ["invalid", "min_value", "max_digits", "max_decimal_places", "max_whole_digits"], "请填写金额，例如 12.50。"
        ),
    )


class CannedSelect(UnfoldAdminSelectWidget):
    """A list of texts, and a button that puts the chosen one into the dialog's text."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        option["attrs"]["data-text"] = self.texts.get(str(value), "")
        return option

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        return format_html(
            '<div class="desk-canned">{}<button type="button" class="desk-button desk-button--plain" x-on:click="{}">'
            "填入</button></div>",
            super().render(name, value, attrs, renderer),
            "const said = $el.closest('form').querySelector('textarea'); "
            "said.value = $el.parentElement.querySelector('select').selectedOptions[0].dataset.text || said.value; "
            "said.dispatchEvent(new Event('input', { bubbles: true })); said.focus()",
        )


def canned_field(choices: Sequence[tuple[str, str]], texts: dict[str, str]) -> forms.ChoiceField:
    """常用回复: chosen, and put into the text; or chosen alone."""
    return forms.ChoiceField(
        label="常用回复",
        choices=[("", "不用"), *choices],
        required=False,
        help_text="选好后按“填入”再修改；不填入、正文留空，则直接用所选的。",
        widget=CannedSelect(texts),
        error_messages={"invalid_choice": "请从列表中选择。"},
    )
