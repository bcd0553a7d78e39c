"""账号 on the staff desk: operators say who works here, and as what. Nobody changes their own role (X14)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.http import HttpRequest

from accounts.desk import Desk, tone_badge
from accounts.models import User
from accounts.roles import Role

ROLE_TONES: dict[str, str] = dict.fromkeys(Role.staff(), "progress")


@admin.register(User)
class UserDesk(Desk):
    list_display = ("username", "role_badge", "is_active", "last_login", "date_joined")
    list_filter = ("role", "is_active")
    search_fields = ("username",)  # also what the choice of a shop's members looks through
    exact_search = ("username", "email")
    search_help_text = "账号 / 邮箱"
    ordering = ("-pk",)
    fields = ("username", "email", "role", "is_active", "last_login", "date_joined")

    role_badge = tone_badge("role", "角色", ROLE_TONES)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.pk != request.user.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("username", "email", "last_login", "date_joined")

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "role":  # the machine itself is nobody's role
            kwargs["choices"] = [choice for choice in Role.choices if choice[0] != Role.SYSTEM]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        obj.is_staff = obj.role in Role.staff()  # the door follows the role
        super().save_model(request, obj, form, change)


@admin.register(LogEntry)
class LogEntryDesk(Desk):
    """操作日志: edits and acts on the desk that are no step of a refund (those are 退款记录)."""

    list_display = ("action_time", "user", "content_type", "object_repr", "words")
    list_display_links = ("action_time",)
    exact_search = ("user__username", "object_repr")
    search_help_text = "同事账号 / 对象"
    ordering = ("-pk",)
    list_select_related = ("user", "content_type")
    fields = ("action_time", "user", "content_type", "object_repr", "words")
    readonly_fields = ("words",)

    @admin.display(description="操作")
    def words(self, entry: LogEntry) -> str:
        return entry.get_change_message()
