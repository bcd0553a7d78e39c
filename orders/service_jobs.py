"""人工服务: boosting and custom work, begun, reported on and handed over by the shop's people (S2-16).

    waiting → working → handed_over → confirmed
       ⇅         ↓
    stopped ←────┘

``STEPS`` is the whole table. Work that has begun is work: it is no longer canceled but refunded by a case, in which the
reports of both sides are evidence. A report never changes. What the buyer does not confirm is completed by the days of
the order's policy (``watch.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

import accounts.rights
from accounts.models import User
from accounts.rights import Act
from identifiers import uuid7
from images import Repainted
from notices import telling
from notices.models import Notice
from orders import delivery, history, masking
from orders.models import Order, OrderStatus, OrderStep, ServiceJob, ServiceReport
from orders.models import ServiceStatus as S
from shops import rights
from shops.models import ShopMember

LONGEST = 500
MOST_REPORTS = 50  # of each side, on one job
NOTICE = "service_report"


@dataclass(frozen=True)
class Step:
    """From where to where, and who takes it."""

    source: S
    target: S
    who: str  # "shop", "buyer", "system"


STEPS: dict[str, Step] = {
    "start": Step(S.WAITING, S.WORKING, "shop"),
    "hand_over": Step(S.WORKING, S.HANDED_OVER, "shop"),
    "confirm": Step(S.HANDED_OVER, S.CONFIRMED, "buyer"),  # delivery.confirm
    "end": Step(S.WORKING, S.STOPPED, "system"),  # stopping.give_up: refunded in full
    "stop": Step(S.WAITING, S.STOPPED, "system"),  # stopping.stop: a refund is asked for, or the order is canceled
    "go_on": Step(S.STOPPED, S.WAITING, "system"),  # stopping.go_on: the refund came to nothing
}


class CannotServe(Exception):
    """Not theirs, too late, or nothing said. The message is for whoever tried."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def start(job: ServiceJob, *, by: User, at: datetime) -> None:
    """开始: from now on the work counts as delivered in part (S4-4), and the buyer can no longer simply cancel."""
    with transaction.atomic():
        order, locked = _locked(job)
        _demand_shop(by, order)
        _move("start", order, locked, started_at=at)
        history.record([order], OrderStep.START_SERVICE, at=at, by=by)
        _tell([order.buyer_id], order, locked, "start", at)


def report(
    job: ServiceJob, *, by: User, by_shop: bool, at: datetime, text: str = "", image: Repainted | None = None,
    percent: int | None = None,
) -> ServiceReport:  # fmt: skip
    """进度与凭证 from the shop (work under way or handed over) or from the buyer (any time after the beginning).

    ``image`` was repainted by the door; ``percent`` is the shop's to say, and never falls.
    """
    with transaction.atomic():
        order, locked = _locked(job)
        _demand_side(by, order, by_shop=by_shop)
        if locked.status in {S.WAITING, S.STOPPED}:
            raise CannotServe("not_begun", _("服务还没有开始，不能提交进度。"))
        if percent is not None:
            _set_percent(locked, percent, by_shop=by_shop)
        return _write(order, locked, by, by_shop, at, text, image, percent)


def hand_over(job: ServiceJob, *, by: User, at: datetime, text: str, image: Repainted | None = None) -> None:
    """交付: the work is done, and how one can see that. The buyer confirms, or the days for it pass."""
    with transaction.atomic():
        order, locked = _locked(job)
        _demand_shop(by, order)
        _move("hand_over", order, locked, handed_over_at=at, percent_done=100)
        _write(order, locked, by, True, at, text, image, 100)
        history.record([order], OrderStep.HAND_OVER_SERVICE, at=at, by=by)
        delivery.hand_over(order, [(locked.line, None)], at=at)


def latest_reports(jobs: Sequence[ServiceJob], most: int) -> dict[int, list[ServiceReport]]:
    """What both sides have shown last of each of these jobs, by its key: ``most`` of each, the oldest of them first.

    One query, however many jobs; a job without any is not among the answers.
    """
    found: dict[int, list[ServiceReport]] = defaultdict(list)
    if jobs:
        place = Window(RowNumber(), partition_by="job", order_by=["-at", "-id"])
        rows = ServiceReport.objects.filter(job__in=jobs).annotate(place=place).filter(place__lte=most)
        for report in rows.order_by("at", "id"):
            found[report.job_id].append(report)
    return dict(found)


def image_for(report_id: UUID, user: User) -> ServiceReport | None:
    """The report whose image this person may see: the order's buyer, its shop, staff. For others it is not there."""
    rows = ServiceReport.objects.exclude(image="").select_related("job__line__order__shop")
    row = rows.filter(pk=report_id).first()
    if row is None:
        return None
    order = row.job.line.order
    is_theirs = order.buyer_id == user.pk or rights.may(user, order.shop, "orders")
    return row if is_theirs or accounts.rights.may(user, Act.SEE, "orders.order") else None


# --- how a step is taken ----------------------------------------------------------------------------------------------


def _locked(job: ServiceJob) -> tuple[Order, ServiceJob]:
    """Order first, then the job, as everybody locks."""
    orders = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("shop", "policy")
    order = orders.get(lines__service=job)
    locked = ServiceJob.objects.select_for_update(no_key=True, of=("self",)).select_related("line").get(pk=job.pk)
    return order, locked


def _move(name: str, order: Order, job: ServiceJob, **columns: object) -> None:
    step = STEPS[name]
    if job.status != step.source or order.status != OrderStatus.PAID or hasattr(job.line, "cancellation_line"):
        now = {"job": job.get_status_display(), "order": order.get_status_display()}
        raise CannotServe("wrong_status", _("服务现为“%(job)s”，订单现为“%(order)s”，不能这样做。") % now)
    job.status = step.target
    for column, value in columns.items():
        setattr(job, column, value)
    job.save(update_fields=["status", *columns])


def _demand_shop(by: User, order: Order) -> None:
    if not rights.may(by, order.shop, "orders"):
        raise CannotServe("not_yours", _("只有该店的店员可以这样做。"))


def _demand_side(by: User, order: Order, *, by_shop: bool) -> None:
    if by_shop:
        _demand_shop(by, order)
    elif by.pk != order.buyer_id:
        raise CannotServe("not_yours", _("只有该订单的买家可以这样做。"))


def _set_percent(job: ServiceJob, percent: int, *, by_shop: bool) -> None:
    if not by_shop:
        raise CannotServe("not_yours", _("进度由商家填写。"))
    if not job.percent_done <= percent <= 100:
        raise CannotServe("percent", _("进度须在 %(least)d 与 100 之间。") % {"least": job.percent_done})
    job.percent_done = percent
    job.save(update_fields=["percent_done"])


def _write(
    order: Order, job: ServiceJob, by: User, by_shop: bool, at: datetime, text: str, image: Repainted | None,
    percent: int | None,
) -> ServiceReport:  # fmt: skip
    words = masking.tidy(text)
    if not words and image is None:
        raise CannotServe("empty", _("请写明情况，或附一张图片。"))
    if len(words) > LONGEST:
        raise CannotServe("too_long", _("一次最多 %(most)d 个字。") % {"most": LONGEST})
    if job.reports.filter(by_shop=by_shop).count() >= MOST_REPORTS:
        raise CannotServe("too_many", _("最多提交 %(most)d 条进度与凭证。") % {"most": MOST_REPORTS})
    key = uuid7()
    written = ServiceReport.objects.create(
        id=key,
        job=job,
        author=by,
        by_shop=by_shop,
        percent_done=percent,
        text=masking.mask(order, words)[:LONGEST],
        image=_keep(order, key, image) if image else "",
        content_type=image.content_type if image else "",
        at=at,
    )
    members = ShopMember.objects.filter(shop=order.shop_id).exclude(user=by).values_list("user_id", flat=True)
    _tell([order.buyer_id] if by_shop else list(members), order, job, str(key), at)
    return written


def _keep(order: Order, key: object, image: Repainted) -> str:
    """Private: served by ``image_for`` alone. A file whose row is rolled back stays, but no row names it."""
    suffix = image.content_type.rsplit("/", 1)[-1]
    return default_storage.save(f"services/{order.order_no}/{key}.{suffix}", ContentFile(image.data))


def _tell(people: Sequence[int], order: Order, job: ServiceJob, what: str, at: datetime) -> None:
    """The other side hears of it, each led to its own page of the order."""
    page = f"/orders/{order.order_no}/"
    telling.tell(
        Notice(
            recipient_id=person,
            kind=NOTICE,
            params={"order_no": order.order_no},
            path=page if person == order.buyer_id else f"/shop{page}",
            source=f"service:{job.pk}:{what}",
            created_at=at,
        )
        for person in people
    )
