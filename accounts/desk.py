"""客服台的底座: the site, the list and the page that every table of the staff desk builds on, and dialogs for acts.

All that the house uses of Unfold comes through this file, so that another version of it is met in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial, wraps
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from allauth.account.decorators import secure_admin_login
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import OperationalError
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.sites import UnfoldAdminSite
from unfold.views import ChangeList
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import rights
from accounts.models import User
from accounts.rights import Act
from money import yuan
from paging import LAST, MOST_COUNTED, leaf

MOST_CHOSEN = 200
NOT_SET_UP = "admin/invalid_setup.html"  # Django's word, in a list, for what it cannot read a second time
SOON = timedelta(hours=4)


class StaffDesk(UnfoldAdminSite):
    """The admin site. Staff roles enter, whatever else an account is marked as; only our own tables stand in it."""

    index_title = "工作台"
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """What libraries would register (groups, e-mail addresses, second factors) stays out of the desk."""
        if admin_class is not None and issubclass(admin_class, Desk):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return rights.is_staff(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """By allauth, which knows about second factors and counts failures; back to where one wanted to go."""
        return secure_admin_login(self._enter)(request)

    def _enter(self, request: HttpRequest) -> HttpResponse:
        if not self.has_permission(request):
            raise PermissionDenied
        target = request.GET.get("next", "")
        safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
        return HttpResponseRedirect(target if safe else reverse("admin:index"))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Looked up where a page shows it, which none of ours does: the menu is ``cardshop/desk.py:SIDEBAR``."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Without Unfold's search: it would keep results in the cache on a GET."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "search"]


class CappedPaginator(Paginator):
    """Counts no further than ``MOST_COUNTED``; of more it says so. Rows beyond are reached by ``DeskList``'s leaves."""

    template_name = "admin/desk/leaves.html"

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def is_capped(self) -> bool:
        return self._counted > MOST_COUNTED

    @cached_property
    def _counted(self) -> int:
        rows: QuerySet[Model] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: MOST_COUNTED + 1].count()


class DeskList(ChangeList):
    """Leafs by key, both ways and from the end (``paging.leaf``), in the one order that the table has an index for.
    Knows one count, the capped one: there is no second, of the whole table, to tell beside it."""

    def get_filters(self, request: HttpRequest) -> Any:
        """A name that is nothing here is a slip, answered as Django does; whoever probes a column is refused (400)."""
        fields = self.lookup_opts.get_fields()
        names = {name for field in fields for name in (field.name, getattr(field, "attname", ""))}
        columns = names | {"pk"}
        for name, values in self.get_filters_params().items():
            is_slip = name.partition("__")[0] not in columns and "\0" not in name + values[-1]
            if is_slip and not self.model_admin.lookup_allowed(name, values[-1], request):
                raise IncorrectLookupParameters
        return super().get_filters(request)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """No column is sorted by, neither from its head nor from an address: that would sort the whole table."""
        for known in (self.params, self.filter_params):
            known.pop(ORDER_VAR, None)
        return super().get_ordering(request, queryset)

    def get_results(self, request: HttpRequest) -> None:
        order = list(self.queryset.query.order_by)
        self.leaf = leaf(self.queryset, order, asked=request.GET.get(PAGE_VAR, ""), size=self.list_per_page)
        self.result_list = self.leaf.rows
        self.multi_page = self.can_show_all = False  # Django's numbers are for pages that are counted
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        self.result_count = self.full_result_count = self.paginator.count
        self.show_full_result_count = False
        self.show_admin_actions = True

    @property
    def leaves(self) -> list[tuple[str, str]]:
        """Where one may leaf to: what it is called, its address; an empty one from where it makes no sense."""
        first = self.get_query_string() if self.leaf.earlier else ""
        last = self.get_query_string({PAGE_VAR: LAST}) if self.leaf.later else ""
        earlier, later = (
            self.get_query_string({PAGE_VAR: mark}) if mark else "" for mark in (self.leaf.earlier, self.leaf.later)
        )
        return [("首页", first), ("上一页", earlier), ("下一页", later), ("末页", last)] if first or last else []


class SearchedRow(AutocompleteSelect):
    """A row that is searched for. What cannot be a key is nobody's; Django's own breaks as it shows the form again."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        keys = [each for each in map(str, value) if each.isascii() and each.isdigit() and len(each) < 19]
        found: list[Any] = super().optgroups(name, keys or [""], attrs)
        return found


class Desk(ModelAdmin):
    """One table on the desk: seen by those whom ``rights.TABLE`` names, changed by nearly nobody, never deleted."""

    list_per_page = 30
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    sortable_by: ClassVar[tuple[str, ...]] = ()
    actions = None
    view_on_site = False
    compressed_fields = True
    list_fullwidth = True
    change_form_template = "admin/desk/change_form.html"
    change_list_template = "admin/desk/change_list.html"
    exact_search: ClassVar[tuple[str, ...]] = ()  # columns that hold the searched number itself, each with an index
    chosen_acts: ClassVar[tuple[str, ...]] = ()  # list acts that take the ticked rows

    # --- rights, all from the one table

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Act.SEE)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, Act.SEE)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, Act.ADD)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, Act.EDIT)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def may_act(self, request: HttpRequest, act: str) -> bool:
        """May this person do the act at all? Whether the row allows it now, the domain decides under its lock."""
        return self._may(request, Act(act))

    def _may(self, request: HttpRequest, act: Act) -> bool:
        return rights.may(request.user, act, self.opts.label_lower)

    # --- lists

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return self.exact_search

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Numbers are looked up whole, by their index; one column after the other, so that each index is used."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "\0" in term:  # PostgreSQL knows no such text
            return queryset.none(), False
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            return queryset.filter(**{f"{self.exact_search[0]}__startswith": term}), False
        for column in self.exact_search:
            for spelling in dict.fromkeys((term, term.upper())):
                found = queryset.filter(**{column: spelling})
                if found.exists():
                    return found, False
        return queryset.none(), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """By the filters that stand beside the list and nothing else: Django's own rule lets any column be probed."""
        return "\0" not in value and lookup in self._filter_parameters(request)

    def _filter_parameters(self, request: HttpRequest | None) -> set[str]:
        names: set[str] = set()
        for listed in self.get_list_filter(request) if request else self.list_filter:
            if isinstance(listed, str):
                field = get_fields_from_path(self.model, listed)[-1]
                row = f"{listed}__{field.target_field.name}" if isinstance(field, ForeignKey) else listed
                names |= {listed, f"{row}__exact", f"{listed}__isnull"}
            else:
                names.add(listed.parameter_name)
        return names

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **options: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request) and "widget" not in options:
            options["widget"] = SearchedRow(db_field, self.admin_site, using=options.get("using"))
        return super().formfield_for_foreignkey(db_field, request, **options)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return DeskList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns = list(super().get_list_display(request))
        return ["action_checkbox", *columns] if self.chosen_acts_of(request) else columns

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """What an address asks for and no filter offers is answered in words, and is no error of ours."""
        context = {"chosen_acts": self.chosen_acts_of(request)} | (extra_context or {})
        try:
            answer = super().changelist_view(request, context)
        except DisallowedModelAdminLookup:
            return _no_such_filter(request)
        if getattr(answer, "template_name", "") == NOT_SET_UP:
            return _no_such_filter(request)
        if ERROR_FLAG in request.GET:  # Django has brought us here from what it could not read
            messages.warning(request, "地址里的筛选条件无法识别，未按它筛选。")
        return answer

    def chosen_acts_of(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The buttons that appear once rows are ticked."""
        acts = [self.get_unfold_action(name) for name in self.chosen_acts if self.may_act(request, name)]
        return [
            {"title": act.description, "icon": act.icon, "look": "primary", "url": reverse(f"admin:{act.action_name}")}
            for act in acts
        ]

    def get_actions_list(self, request: HttpRequest) -> list[Any]:
        """Acts on ticked rows stand beside the rows, not at the head of the page."""
        return []

    @property
    def actions_list(self) -> tuple[str, ...]:
        return self.chosen_acts


def _no_such_filter(request: HttpRequest) -> HttpResponse:
    return render(request, "admin/desk/no_such_filter.html", status=400)


def chosen_keys(request: HttpRequest) -> list[int]:
    """Keys of the ticked rows; the dialog's address carries them from its preview to its submit."""
    ticked = dict.fromkeys(request.GET.getlist(ACTION_CHECKBOX_NAME))
    return [int(key) for key in ticked if key.isascii() and key.isdigit() and len(key) < 19][:MOST_CHOSEN]


class DeskInline(TabularInline):
    """Rows that belong to the page's row, to look at."""

    extra = max_num = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True  # who may see the page sees what belongs to it

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


# --- acts: always a dialog ------------------------------------------------------------------------------------------


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


Admin = TypeVar("Admin", bound=Desk)
ActMethod = Callable[..., str]  # (desk, request, form, object_id?) → where to go afterwards


def staff_act(
    form_class: type[DialogForm],
    *,
    title: str,
    description: str = "",
    submit: str,
    icon: str = "",
    danger: bool = False,
    refused_by: tuple[type[Exception], ...] = (),
    explain: Callable[[Exception, str | None], str] | None = None,
) -> Callable[[ActMethod], Callable[..., HttpResponse]]:
    """An act of the staff, behind a dialog. A GET can only ever show the form; a valid POST runs the function once.

    The function returns the address to go to. What the domain refuses is told in a message, on the page as it now is.
    Unfold runs an act without a dialog on a plain GET: here there is no way to leave the dialog out.
    """
    if not issubclass(form_class, DialogForm):
        raise TypeError("staff_act: an act needs a dialog form")

    def decorate(function: ActMethod) -> Callable[..., HttpResponse]:
        dialog = {
            "title": title,
            "description": description,
            "form_class": form_class,
            "form_submit_text": submit,
            "danger": danger,
        }
        variant = ActionVariant.DANGER if danger else ActionVariant.DEFAULT

        @action(description=title, icon=icon, variant=variant, dialog=dialog)  # type: ignore[untyped-decorator, unused-ignore]
        @wraps(function)
        def run(desk: Desk, request: HttpRequest, form: DialogForm, object_id: str | None = None) -> HttpResponse:
            home = _home(desk, object_id)
            if request.method != "POST":
                raise PermissionDenied
            if form.refusal:
                messages.error(request, form.refusal)
                return go(request, home)
            try:
                arguments = (object_id,) if object_id is not None else ()
                return go(request, function(desk, request, form, *arguments) or home)
            except refused_by as refusal:
                text = explain(refusal, object_id) if explain else str(refusal)
                messages.error(request, text)
            except OperationalError:
                messages.error(request, "同事正在处理同一张单，请刷新后再试。")
            return go(request, home)

        @wraps(run)
        def guarded(desk: Desk, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
            if not desk.may_act(request, function.__name__):
                raise PermissionDenied
            if request.method != "POST" and "HX-Request" not in request.headers:
                return HttpResponseRedirect(_home(desk, object_id))  # opened by itself: a dialog needs its page
            arguments = {"object_id": object_id} if object_id is not None else {}
            return run(desk, request, **arguments)

        guarded.is_staff_act = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def go(request: HttpRequest, address: str) -> HttpResponse:
    """Leave a dialog: htmx follows a header, everybody else a redirect."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _home(desk: Desk, object_id: str | None) -> str:
    name = f"admin:{desk.opts.app_label}_{desk.opts.model_name}"
    return reverse(f"{name}_change", args=[object_id]) if object_id else reverse(f"{name}_changelist")


def list_url(model: type[Model], **query: object) -> str:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def page_url(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


# --- how things look ------------------------------------------------------------------------------------------------


def money(column: str, title: str) -> Callable[..., SafeString | str]:
    """A column of fen, shown as yuan, right-aligned figures; a dash where there is none."""

    @admin.display(description=title)
    def show(self: object, row: Model) -> SafeString | str:
        value: Any = row
        for part in column.split("__"):
            value = getattr(value, part)
        return "–" if value is None else format_html('<span class="desk-money">{}</span>', yuan(int(value)))

    return show


def badge(text: object, tone: str = "quiet") -> SafeString:
    """Status by word and color. ``tone`` is progress, attention, good, bad or quiet."""
    return format_html('<span class="desk-badge desk-badge--{}">{}</span>', tone, text)


def link(row: Model | None, text: object = "", *, seen_by: object = None) -> SafeString | str:
    """To a row's page; plain text for those who may not see it."""
    if row is None:
        return "–"
    words = text or str(row)
    if seen_by is not None and not rights.may(seen_by, Act.SEE, row._meta.label_lower):
        return str(words)
    return format_html('<a class="desk-link" href="{}">{}</a>', page_url(row), words)


def tone_badge(column: str, title: str, tones: dict[str, str]) -> Callable[..., SafeString]:
    """A choices column as a badge."""

    @admin.display(description=title)
    def show(self: object, row: Model) -> SafeString:
        return badge(getattr(row, f"get_{column}_display")(), tones.get(getattr(row, column), "quiet"))

    return show


def until(moment: datetime | None, at: datetime) -> str:
    """How long is left, or by how much it is late: 剩 5 小时, 超时 2 天."""
    if moment is None:
        return ""
    return f"{'超时' if moment < at else '剩'} {how_long(abs(moment - at))}"


def how_long(span: timedelta) -> str:
    """A span in the largest unit of which it has two: 3 天, 47 小时, 5 分钟."""
    seconds = int(span.total_seconds())
    size, unit = next(((s, u) for s, u in ((86400, "天"), (3600, "小时")) if seconds >= 2 * s), (60, "分钟"))
    return f"{seconds // size} {unit}"


def deadline(moment: datetime | None, at: datetime) -> SafeString | str:
    """The promised time with what is left of it; late ones by word and color."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    tone = "bad" if moment < at else "attention" if moment - at < SOON else "quiet"
    template = '{} <time class="desk-time" datetime="{}">{}</time>'
    return format_html(template, badge(until(moment, at), tone), local.isoformat(), f"{local:%m-%d %H:%M}")


def called(person: User | None) -> str:
    """What a colleague is called on the desk."""
    return (person.get_full_name() or person.shown_name) if person else "系统"


__all__ = [
    "Desk", "DeskInline", "DialogForm", "StaffDesk", "amount_field", "badge", "called", "canned_field", "choice_field",
    "chosen_keys", "deadline", "go", "how_long", "link", "list_url", "money", "note_field", "number_field", "page_url",
    "staff_act", "text_field", "tone_badge", "until", "yuan",
]  # fmt: skip
