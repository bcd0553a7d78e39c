"""Who works in a shop, and its leaving: the owner's pages."""

from __future__ import annotations

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

import clock
from accounts.visitors import SignedIn
from integrations import owners
from portal.door import Here, for_members, posted, show
from portal.forms import LeaveForm, MemberForm
from shops import life, people, rights
from shops.models import ShopMember, ShopRole, ShopStatus

MOST_TRIES_AN_HOUR = 20  # account names to add: nobody's way of finding out who has an account here


@for_members("members")
def people_page(request: SignedIn, here: Here) -> HttpResponse:
    """店员, and a form to add one."""
    form = MemberForm(*posted(request))
    if request.method == "POST" and form.is_valid():
        if _tries(request) > MOST_TRIES_AN_HOUR:
            form.add_error(None, _("尝试太多，请一小时后再试。"))
        elif _add(request, here, form):
            return redirect("portal:people")
    facts = {
        "form": form,
        "members": here.shop.memberships.select_related("user").order_by("pk"),
        "roles": ShopRole.choices,
        "may_leave": here.shop.status == ShopStatus.OPEN,
    }
    return show(request, here, "people.html", facts)


@for_members("members")
@require_POST
def set_role(request: SignedIn, here: Here, member_id: int) -> HttpResponse:
    member = _member(here, member_id)
    role = request.POST.get("role", "")
    if role not in ShopRole.values:
        messages.error(request, _("没有这种身份。"))
        return redirect("portal:people")
    try:
        owners.set_role(member, ShopRole(role), by=request.user, at=clock.now())
    except rights.CannotChange as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("身份已更改。"))
    return redirect("portal:people")


@for_members("members")
@require_POST
def remove(request: SignedIn, here: Here, member_id: int) -> HttpResponse:
    try:
        owners.remove(_member(here, member_id), by=request.user, at=clock.now())
    except rights.CannotChange as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("店员已移除，其操作记录保留。"))
    still_there = rights.may(request.user, here.shop, "members")
    return redirect("portal:people" if still_there else "storefront:products")


@for_members("leave")
def leave(request: SignedIn, here: Here) -> HttpResponse:
    """申请退出: the page says what it means, the button does it."""
    form = LeaveForm(*posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            life.leave(here.shop, by=request.user, at=clock.now(), reason=form.cleaned_data["reason"])
        except life.StepRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("已申请退出。未完成的订单和退款了结后，店铺自动关闭。"))
            return redirect("portal:orders")
    return show(request, here, "leave.html", {"form": form})


def _add(request: SignedIn, here: Here, form: MemberForm) -> bool:
    said = form.cleaned_data
    try:
        people.add(here.shop, said["username"], ShopRole(said["role"]), by=request.user, at=clock.now())
    except rights.CannotChange as refusal:
        form.add_error("username", str(refusal))
        return False
    messages.success(request, _("店员已添加。"))
    return True


def _member(here: Here, member_id: int) -> ShopMember:
    """Another shop's people are not there (X8)."""
    return get_object_or_404(ShopMember.objects.select_related("user", "shop"), pk=member_id, shop=here.shop)


def _tries(request: SignedIn) -> int:
    key = f"portal:add-member:{request.user.pk}"
    cache.add(key, 0, 3600)
    return cache.incr(key)
