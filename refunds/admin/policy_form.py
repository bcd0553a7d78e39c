"""政策草稿的表单: every number in its unit, then two tables: by kind of goods, and by reason. Nobody types JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db.models import Field
from django.forms.boundfield import BoundField

from form_fields import YuanField
from refunds.policy_words import AT_FAULT, NUMBERS, ONLY, clocked_name, kind_name, reason_name, slot_name
from shops import policy_terms
from shops.models import RefundPolicy
from shops.policies import COLUMNS
from shops.policy_terms import CLOCKED, KINDS, SLOTS, USUAL

ALWAYS = ("undelivered", "other")  # a policy without them leaves somebody without a reason
SAID_WRONG = {
    "required": "请填写，不能为空。", "invalid": "请填写整数。", "invalid_choice": "请从列表中选择。",
    "min_value": "不能小于 %(limit_value)s。", "max_value": "不能大于 %(limit_value)s。",
}  # fmt: skip
MOST_HOURS = 24 * 365


class AmountField(YuanField):
    """In yuan, and 0 is an amount: "none" or "nothing is free of it", as the column's help says."""

    def validate(self, value: Any) -> None:
        if value is None:
            raise forms.ValidationError(SAID_WRONG["required"], code="required")

    def prepare_value(self, value: Any) -> Any:
        return f"{value // 100}.{value % 100:02d}" if isinstance(value, int) else value


@dataclass(frozen=True)
class Choices:
    """Several of a list, folded: ``said`` is what is chosen now."""

    field: BoundField
    said: str


@dataclass(frozen=True)
class KindRow:
    name: str
    window: BoundField
    cooling_off: BoundField
    slots: Choices


@dataclass(frozen=True)
class ReasonRow:
    name: str
    taken: BoundField
    at_fault: BoundField
    only: BoundField
    kinds: Choices
    slots: Choices
    skips_merchant: BoundField


class TermsForm(forms.Form):
    """All terms of a draft. ``changes`` gives them as the columns hold them."""

    def __init__(self, draft: RefundPolicy, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial=_initial(draft), label_suffix="")
        self.fields["name"] = forms.CharField(label="名称", max_length=60, error_messages=SAID_WRONG)
        self.fields["name_en"] = forms.CharField(label="英文名称", max_length=60, error_messages=SAID_WRONG)
        for _group, rows in NUMBERS:
            for column, title, _say in rows:
                self.fields[column] = _number(column, str(title))
        self.fields["working_time"] = _several("按工作日计时", CLOCKED, clocked_name)
        for kind in KINDS:
            self._add_kind(kind)
        for row in USUAL:
            self._add_reason(row.reason)

    # --- for the page

    def groups(self) -> Iterator[tuple[str, list[BoundField]]]:
        yield "名称", [self["name"], self["name_en"]]
        for group, rows in NUMBERS:
            yield str(group), [self[column] for column, *_rest in rows]
        yield "工作日", [self["working_time"]]

    def kind_rows(self) -> Iterator[KindRow]:
        for kind in KINDS:
            window, cooling, slots = (self[f"{kind}-{name}"] for name in ("window_days", "cooling_off_hours", "slots"))
            yield KindRow(kind_name(kind), window, cooling, _folded(slots, "无"))

    def reason_rows(self) -> Iterator[ReasonRow]:
        for reason in (row.reason for row in USUAL):
            yield ReasonRow(
                name=reason_name(reason),
                taken=self[f"{reason}-taken"],
                at_fault=self[f"{reason}-at_fault"],
                only=self[f"{reason}-only"],
                kinds=_folded(self[f"{reason}-kinds"], "全部商品"),
                slots=_folded(self[f"{reason}-slots"], "无"),
                skips_merchant=self[f"{reason}-skips_merchant"],
            )

    def wrong(self) -> list[BoundField]:
        """The fields that have to be changed, in the order of the page."""
        return [field for field in self if field.errors]

    # --- what it holds

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        for reason in ALWAYS:
            if not said.get(f"{reason}-taken"):
                self.add_error(f"{reason}-taken", "这个原因不能少。")
        if not self.errors:
            changes = self.changes()
            for wrong in (policy_terms.wrong_kinds(changes["kinds"]), policy_terms.wrong_reasons(changes["reasons"])):
                if wrong:
                    self.add_error(None, wrong)
        return said

    def changes(self) -> dict[str, Any]:
        """{column: value} of ``policies.COLUMNS``."""
        said = self.cleaned_data
        numbers = {name: said[name] for name in COLUMNS if name in said}
        return numbers | {"kinds": self._kinds(), "reasons": self._reasons()}  # ``working_time`` is a plain field

    def refuse(self, wrong: ValidationError) -> None:
        """What the model refused, beside the field that it is about."""
        for column, messages in getattr(wrong, "message_dict", {"": wrong.messages}).items():
            for message in messages:
                self.add_error(column if column in self.fields else None, message)

    def _kinds(self) -> dict[str, dict[str, Any]]:
        """Only what a kind has of its own."""
        said, kinds = self.cleaned_data, {}
        for kind in KINDS:
            own = {name: said[f"{kind}-{name}"] for name in ("window_days", "cooling_off_hours")}
            own = {name: value for name, value in own.items() if value is not None}
            if slots := said[f"{kind}-slots"]:
                own["slots"] = slots
            if own:
                kinds[kind] = own
        return kinds

    def _reasons(self) -> list[dict[str, Any]]:
        names = ("at_fault", "kinds", "only", "slots", "skips_merchant")
        return [
            {"reason": reason} | {name: self.cleaned_data[f"{reason}-{name}"] for name in names}
            for reason in (row.reason for row in USUAL)
            if self.cleaned_data[f"{reason}-taken"]
        ]

    def _add_kind(self, kind: str) -> None:
        name = kind_name(kind)
        self.fields[f"{kind}-window_days"] = _own_number(f"{name}：售后期（天）", 365)
        self.fields[f"{kind}-cooling_off_hours"] = _own_number(f"{name}：冷静期（小时）", 8760)
        self.fields[f"{kind}-slots"] = _several(f"{name}：另附凭证", SLOTS, slot_name)

    def _add_reason(self, reason: str) -> None:
        name = reason_name(reason)
        self.fields[f"{reason}-taken"] = _switch(f"{name}：可以选择")
        self.fields[f"{reason}-at_fault"] = _one_of(f"{name}：责任方", AT_FAULT)
        self.fields[f"{reason}-only"] = _one_of(f"{name}：适用状态", ONLY)
        self.fields[f"{reason}-kinds"] = _several(f"{name}：适用商品", KINDS, kind_name)
        self.fields[f"{reason}-slots"] = _several(f"{name}：须附凭证", SLOTS, slot_name)
        self.fields[f"{reason}-skips_merchant"] = _switch(f"{name}：不经商家")


# --- fields -----------------------------------------------------------------------------------------------------------


def _number(column: str, title: str) -> forms.Field:
    """One column's field: its own bounds, in the unit in which people think of it."""
    field = cast("Field[Any, Any]", RefundPolicy._meta.get_field(column))
    helps = str(field.help_text)
    if field.get_internal_type() == "BooleanField":
        return forms.BooleanField(label=title, required=False, help_text=helps)
    if column.endswith("_fen"):
        return AmountField(label=f"{title}（元）", help_text=helps, error_messages=SAID_WRONG, max_length=12)
    unit = {"days": "天", "hours": "小时", "percent": "%"}.get(column.rsplit("_", 1)[-1], "次")
    bounds = [found.limit_value for found in field.validators if isinstance(found, MaxValueValidator)]
    most = min([*(bound for bound in bounds if isinstance(bound, int)), MOST_HOURS])
    return forms.IntegerField(
        label=f"{title}（{unit}）", min_value=0, max_value=most, help_text=helps, error_messages=SAID_WRONG
    )


def _own_number(label: str, most: int) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"placeholder": "同上", "aria-label": label})
    return forms.IntegerField(
        label=label, required=False, min_value=0, max_value=most, widget=widget, error_messages=SAID_WRONG
    )


def _switch(label: str) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, widget=forms.CheckboxInput(attrs={"aria-label": label}))


def _one_of(label: str, names: Mapping[str, Any]) -> forms.ChoiceField:
    # "" is a value of its own here: every goods, whatever became of them
    return forms.ChoiceField(
        label=label,
        choices=list(names.items()),
        required="" not in names,
        widget=forms.Select(attrs={"aria-label": label}),
        error_messages=SAID_WRONG,
    )


def _several(label: str, values: tuple[str, ...], name: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=[(value, name(value)) for value in values],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages=SAID_WRONG,
    )


def _folded(field: BoundField, nothing: str) -> Choices:
    chosen = field.value() or []
    names = [str(title) for value, title in field.field.choices if value in chosen]  # type: ignore[attr-defined]
    return Choices(field, "、".join(names) or nothing)


def _initial(draft: RefundPolicy) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(draft, name) for name in COLUMNS if name not in {"kinds", "reasons"}}
    for kind in KINDS:
        found |= {f"{kind}-{name}": value for name, value in draft.kinds.get(kind, {}).items()}
    for usual in USUAL:
        taken = draft.reason(usual.reason)
        said = (taken or usual).as_json() | {"taken": taken is not None}
        found |= {f"{usual.reason}-{name}": value for name, value in said.items() if name != "reason"}
    return found
