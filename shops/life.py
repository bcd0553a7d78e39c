"""店铺的一生: it opens with an approved application, may be suspended, and closes once nothing of it is open.

    (application) ─ open ─→ open ⇄ suspended
                              │        │
                              └ leave ─┴ dismiss ─→ leaving ─ close ─→ closed

A shop that leaves does not come back: neither suspending nor reinstating it is a way around that.

``STEPS`` is the whole table; ``_step`` is the only code that writes ``Shop.status``, with a ``ShopEvent`` each time.
Only an open shop sells (``orders/placing.py`` asks, lists leave the others out). What was sold goes on being served, or
is canceled by an operator's decision (``orders/bulk.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.rights import Act
from accounts.rights import may as staff_may
from accounts.roles import Role
from identifiers import uuid7
from images import Repainted
from notices import telling
from notices.models import Notice
from shops import rights
from shops.models import (
    ApplicationDocument,
    ApplicationStatus,
    Shop,
    ShopApplication,
    ShopEvent,
    ShopMember,
    ShopRole,
    ShopStatus,
)
from shops.models import ShopStatus as S

MOST_DOCUMENTS = 6


@dataclass(frozen=True)
class Step:
    """One row of the table: from where, to where, and by whom: an operator, the shop's owner or the machine."""

    sources: frozenset[ShopStatus]
    target: ShopStatus
    who: str
    told: str  # the notice to the shop's people: a key of notices/wording.py


STEPS: dict[str, Step] = {
    "suspend": Step(frozenset({S.OPEN}), S.SUSPENDED, "operator", "shop_suspended"),
    "reinstate": Step(frozenset({S.SUSPENDED}), S.OPEN, "operator", "shop_reinstated"),
    "leave": Step(frozenset({S.OPEN}), S.LEAVING, "owner", "shop_leaving"),
    "dismiss": Step(frozenset({S.OPEN, S.SUSPENDED}), S.LEAVING, "operator", "shop_dismissed"),
    "close": Step(frozenset({S.LEAVING}), S.CLOSED, "machine", "shop_closed"),
}


class StepRefused(Exception):
    """A step that the table does not list for this shop, or a person that may not take it."""


class CannotApply(Exception):
    """This person cannot apply, or not with these papers. The message is for them."""


class CannotDecide(Exception):
    """The application is decided already, or its shop cannot be opened. The message is for the operator."""


@dataclass(frozen=True)
class Papers:
    """入驻申请: what a would-be merchant hands in. ``documents``: (title, picture), one to six."""

    name: str
    goods: str
    contact: str
    about: str = ""
    documents: Sequence[tuple[str, Repainted]] = ()


# --- steps of a shop --------------------------------------------------------------------------------------------------


def suspend(shop: Shop, *, by: User, at: datetime, reason: str) -> None:
    """暂停营业: it sells nothing from now on, and its badge is gone."""
    _step("suspend", shop, by=by, at=at, reason=_said(reason))


def reinstate(shop: Shop, *, by: User, at: datetime, reason: str) -> None:
    """恢复营业."""
    _step("reinstate", shop, by=by, at=at, reason=_said(reason))


def leave(shop: Shop, *, by: User, at: datetime, reason: str = "") -> None:
    """申请退出 by the owner: it sells nothing more, and closes when everything sold is done with."""
    _step("leave", shop, by=by, at=at, reason=reason.strip())


def dismiss(shop: Shop, *, by: User, at: datetime, reason: str) -> None:
    """清退 by an operator: as if its owner had left."""
    _step("dismiss", shop, by=by, at=at, reason=_said(reason))


def close(shop: Shop, *, at: datetime) -> None:
    """关店. Only ``refunds/closing.py``, which knows that no order and no refund of it is open, calls this."""
    _step("close", shop, by=None, at=at, reason="")


def _step(name: str, shop: Shop, *, by: User | None, at: datetime, reason: str) -> None:
    """Lock and reread, refuse what the table does not list, write status and event together. Raises StepRefused."""
    step = STEPS[name]
    with transaction.atomic():
        locked = Shop.objects.select_for_update(no_key=True).get(pk=shop.pk)
        if S(locked.status) not in step.sources:
            raise StepRefused(_("店铺现在是“%(status)s”，不能做这一步。") % {"status": locked.get_status_display()})
        if not _may_take(name, by, locked):
            raise StepRefused(_("您没有权限做这一步。"))
        before, locked.status = locked.status, step.target
        locked.save(update_fields=["status"])
        record(locked, name, from_status=before, by=by, at=at, reason=reason)
        if step.target != S.OPEN:
            lose_badge(locked, at=at, reason=S(step.target).value)
        _tell_members(locked, step.told, at, reason)
    shop.status, shop.guarantee_since = locked.status, locked.guarantee_since


def _may_take(name: str, by: User | None, shop: Shop) -> bool:
    """Nobody decides about an own shop (I10)."""
    who = STEPS[name].who
    if who == "machine" or by is None:
        return who == "machine" and by is None
    if who == "owner":
        return rights.may(by, shop, "leave")
    return staff_may(by, Act(name), "shops.shop") and not shop.memberships.filter(user=by).exists()


# --- applications -----------------------------------------------------------------------------------------------------


def apply(papers: Papers, *, by: User, at: datetime) -> ShopApplication:
    """申请入驻. Raises CannotApply. Whoever decides about refunds or shops cannot have one (I10)."""
    if by.role not in {Role.BUYER, Role.MERCHANT} or by.is_guest or not by.is_active:
        raise CannotApply(_("平台工作人员和访客不能申请开店。"))
    if not 1 <= len(papers.documents) <= MOST_DOCUMENTS:
        raise CannotApply(_("请上传 1 到 %(most)d 份材料。") % {"most": MOST_DOCUMENTS})
    if _is_taken(papers.name):
        raise CannotApply(_("这个店铺名已被使用，请换一个。"))
    try:
        with transaction.atomic():
            application = ShopApplication.objects.create(
                applicant=by, name=papers.name.strip(), about=papers.about.strip(), goods=papers.goods.strip(),
                contact=papers.contact.strip(), submitted_at=at,
            )  # fmt: skip
            _keep_documents(application, papers.documents, at)
    except IntegrityError:
        raise CannotApply(_("您已有一份申请在审核中，请等待结果。")) from None
    return application


def approve(application: ShopApplication, *, by: User, at: datetime, note: str = "") -> Shop:
    """通过: the shop opens, and its applicant owns it. Raises CannotDecide."""
    with _decision(application, by) as locked:
        applicant = User.objects.select_for_update(no_key=True).get(pk=locked.applicant_id)
        if applicant.role not in {Role.BUYER, Role.MERCHANT} or not applicant.is_active:
            raise CannotDecide(_("申请人现在不是买家或商家，不能开店。"))
        if _is_taken(locked.name):
            raise CannotDecide(_("这个店铺名已被使用。请驳回，让申请人换名后重新提交。"))
        shop = Shop.objects.create(name=locked.name, about=locked.about, created_at=at)
        ShopMember.objects.create(shop=shop, user=applicant, role=ShopRole.OWNER)
        become_merchant(applicant)
        _close_application(locked, ApplicationStatus.APPROVED, by, at, note, shop)
        record(shop, "open", from_status="", by=by, at=at, reason=note)
        _tell(locked.applicant_id, "shop_approved", {"shop": shop.name}, "/shop/", f"application:{locked.pk}", at)
    return shop


def reject(application: ShopApplication, *, by: User, at: datetime, note: str) -> None:
    """驳回, always with what is missing; it may be handed in again. Raises CannotDecide."""
    if not note.strip():
        raise CannotDecide(_("请写明不通过的原因。"))
    with _decision(application, by) as locked:
        _close_application(locked, ApplicationStatus.REJECTED, by, at, note, None)
        params = {"shop": locked.name, "note": note.strip()}
        _tell(locked.applicant_id, "shop_rejected", params, "/shop/apply/", f"application:{locked.pk}", at)


@contextmanager
def _decision(application: ShopApplication, by: User) -> Iterator[ShopApplication]:
    """The application, locked and still open, before somebody who may decide about it."""
    with transaction.atomic():
        locked = ShopApplication.objects.select_for_update(no_key=True, of=("self",)).get(pk=application.pk)
        if locked.status != ApplicationStatus.SUBMITTED:
            raise CannotDecide(_("这份申请已处理：%(status)s。") % {"status": locked.get_status_display()})
        if not staff_may(by, Act.APPROVE, "shops.shopapplication"):
            raise CannotDecide(_("只有运营管理员可以审核入驻申请。"))
        if by.pk == locked.applicant_id:
            raise CannotDecide(_("不能审核自己的申请。"))
        yield locked
    application.refresh_from_db()


def _close_application(
    application: ShopApplication, status: ApplicationStatus, by: User, at: datetime, note: str, shop: Shop | None
) -> None:
    application.status, application.decided_by, application.decided_at = status, by, at
    application.decision_note, application.shop = note.strip()[:500], shop
    application.save(update_fields=["status", "decided_by", "decided_at", "decision_note", "shop"])


def _keep_documents(application: ShopApplication, documents: Sequence[tuple[str, Repainted]], at: datetime) -> None:
    """A file whose row is rolled back stays, but no row names it and no page serves it."""
    rows = []
    for title, picture in documents:
        key = uuid7()
        name = default_storage.save(f"applications/{application.pk}/{key}.jpeg", ContentFile(picture.data))
        rows.append(
            ApplicationDocument(
                id=key, application=application, title=title[:40], image=name, content_type=picture.content_type,
                created_at=at,
            )
        )  # fmt: skip
    ApplicationDocument.objects.bulk_create(rows)


# --- what steps share -------------------------------------------------------------------------------------------------


def record(shop: Shop, step: str, *, from_status: str, by: User | None, at: datetime, reason: str = "") -> None:
    """店铺记录. The shop is locked by the caller, and bears its new status."""
    ShopEvent.objects.create(
        shop=shop, step=step, from_status=from_status, to_status=shop.status, actor=by, reason=reason[:500], at=at
    )


def lose_badge(shop: Shop, *, at: datetime, reason: str) -> None:
    """取消退款保障标识. The shop is locked by the caller. ``reason``: a status, said in words where it is read."""
    if shop.guarantee_since is None:
        return
    shop.guarantee_since = None
    shop.save(update_fields=["guarantee_since"])
    record(shop, "lose_badge", from_status=shop.status, by=None, at=at, reason=reason)


def become_merchant(user: User) -> None:
    """Their menu leads to their shop from now on; staff never belongs to one this way."""
    User.objects.filter(pk=user.pk, role=Role.BUYER, is_staff=False).update(role=Role.MERCHANT)


def _said(reason: str) -> str:
    if not reason.strip():
        raise StepRefused(_("请写明原因：店铺和同事都会看到。"))
    return reason.strip()


def _is_taken(name: str) -> bool:
    return Shop.objects.filter(name=name.strip()).exists()


def _tell_members(shop: Shop, kind: str, at: datetime, reason: str) -> None:
    source = f"shop-event:{shop.events.latest('pk').pk}"
    for user_id in shop.memberships.values_list("user_id", flat=True):
        _tell(user_id, kind, {"shop": shop.name, "note": reason}, "/shop/", source, at)


def _tell(user_id: int, kind: str, params: dict[str, str], path: str, source: str, at: datetime) -> None:
    notice = Notice(recipient_id=user_id, kind=kind, params=params, path=path, source=source, created_at=at)
    telling.tell([notice])
