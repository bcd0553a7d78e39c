"""客服台 tables: the list that leafs by key, the page of a row, the rows that belong to it; rights from one table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.views import ChangeList

from accounts import rights
from accounts.rights import Act
from paging import LAST, MOST_COUNTED, leaf

NOT_SET_UP = "admin/invalid_setup.html"  # Django's word, in a list, for what it cannot read a second time


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
        keys = [each for each in map(str, value) if can_be_key(each)]
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


def can_be_key(text: str) -> bool:
    """Beyond eighteen digits PostgreSQL's bigint may overflow."""
    return text.isascii() and text.isdigit() and len(text) < 19


def _no_such_filter(request: HttpRequest) -> HttpResponse:
    return render(request, "admin/desk/no_such_filter.html", status=400)


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
