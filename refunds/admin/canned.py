"""常用回复 on the desk: operators write, rewrite and retire them; what each said before can be read (K4)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    DialogForm,
    badge,
    called,
    key,
    list_url,
    log,
    me,
    note_field,
    page_url,
    staff_act,
    text_field,
    when,
)
from refunds import canned, grounds
from refunds.admin.desk_steps import NOTED
from refunds.casefile import step_words
from refunds.models import CannedReply

OFFERED_TO = [name for name in NOTED if name not in canned.LIKE]


class ReplyForm(forms.ModelForm):
    """A new one: for which step, on which ground, in which words."""

    class Meta:
        model = CannedReply
        fields = ("step", "ground", "title", "text", "text_en")

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("ground") and said.get("step") not in {"reject", "dismiss_appeal"}:
            self.add_error("ground", "只有驳回才有依据。")
        return said


class RewriteForm(DialogForm):
    """改写: the words as they are, to be changed."""

    title = text_field(label="标题", most=40)
    text = note_field(
        required=True, label="正文", help_text="〔…〕是每次要填写的地方；{单号}、{金额}、{订单} 会自动填入。"
    )
    text_en = note_field(required=False, label="英文正文（选填）")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("title", "text", "text_en"):
            self.fields[name].initial = getattr(self.row, name, "")

    @cached_property
    def row(self) -> CannedReply | None:
        return CannedReply.objects.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        return "" if self.row and self.row.is_active else "这条回复已停用，或已被同事改写。"


class RetireForm(DialogForm):
    """停用."""

    row = RewriteForm.row
    refusal = RewriteForm.refusal


class InUse(admin.SimpleListFilter):
    """Offered, or retired."""

    title = "使用"
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "使用中"), ("no", "已停用")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CannedReply]) -> QuerySet[CannedReply]:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(retired_at__isnull=self.value() == "yes")


@admin.register(CannedReply)
class CannedReplyDesk(ActsDesk):
    """What is in use, by step; a retired one can still be read."""

    list_display = ("title", "used_for", "ground_words", "state", "who", "written")
    list_display_links = ("title",)
    list_filter = (InUse,)
    exact_search = ("title",)
    search_help_text = "标题"
    ordering = ("step", "pk")
    list_select_related = ("written_by",)
    fields = readonly_fields = ("title", "used_for", "ground_words", "text", "in_english", "state", "who", "written")
    form = ReplyForm
    change_form_after_template = "admin/refunds/cannedreply/versions.html"
    actions_detail = ("rewrite", "retire")

    written = when("written_at", "撰写时间")

    @admin.display(description="英文正文")
    def in_english(self, row: CannedReply) -> SafeString | str:
        return format_html('<span lang="en">{}</span>', row.text_en) if row.text_en else "–"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ReplyForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Steps and grounds are chosen from our lists."""
        lists = {
            "step": [(name, step_words(name)) for name in OFFERED_TO],
            "ground": [("", "不适用"), *((code, str(ground.title)) for code, ground in grounds.GROUNDS.items())],
        }
        if db_field.name in lists:
            db_field = type(db_field)(
                db_field.verbose_name, name=db_field.name, max_length=db_field.max_length, blank=db_field.blank,
                choices=lists[db_field.name],
            )  # fmt: skip
            return super().formfield_for_choice_field(db_field, request, **kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: CannedReply, form: Any, change: bool) -> None:
        said = {name: form.cleaned_data[name] for name in ReplyForm.Meta.fields}
        obj.pk = canned.add(**said, by=me(request), at=clock.now()).pk

    def acts_of(self, row: CannedReply) -> list[str]:
        return ["rewrite", "retire"] if row.is_active else []

    def about(self, row: CannedReply) -> dict[str, Any]:
        return {"versions": canned.versions(row)}

    def advice(self, row: CannedReply) -> list[tuple[str, str]]:
        if row.is_active:
            return []
        later = CannedReply.objects.filter(replaces=row).first()
        return [("attention", f"已改写为“{later.title}”。" if later else "已停用，不再提供给同事。")]

    # --- columns

    @admin.display(description="用于")
    def used_for(self, row: CannedReply) -> str:
        return step_words(row.step)

    @admin.display(description="驳回依据")
    def ground_words(self, row: CannedReply) -> str:
        ground = grounds.GROUNDS.get(row.ground)
        return str(ground.title) if ground else "–"

    @admin.display(description="状态")
    def state(self, row: CannedReply) -> SafeString:
        return badge("使用中", "good") if row.is_active else badge("已停用")

    @admin.display(description="撰写人")
    def who(self, row: CannedReply) -> str:
        return called(row.written_by)

    # --- acts

    @staff_act(RewriteForm, title="改写", submit="保存新版本", icon="edit", refused_by=(canned.CannotRewrite,))
    def rewrite(self, request: HttpRequest, form: RewriteForm, object_id: str) -> str:
        said = {name: form.cleaned_data[name] for name in ("title", "text", "text_en")}
        row = canned.rewrite(form.row, by=me(request), at=clock.now(), **said)  # type: ignore[arg-type]
        log(request, [row], "改写常用回复")
        messages.success(request, "已改写，旧版本可在下方查看。")
        return page_url(row)

    @staff_act(
        RetireForm, title="停用", submit="确认停用", icon="block", danger=True, refused_by=(canned.CannotRewrite,)
    )
    def retire(self, request: HttpRequest, form: RetireForm, object_id: str) -> str:
        canned.retire(form.row, by=me(request), at=clock.now())  # type: ignore[arg-type]
        messages.success(request, "已停用，不再提供给同事。")
        return list_url(CannedReply)
