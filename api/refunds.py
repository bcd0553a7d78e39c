"""/api/refunds/: ask for a refund, follow it, and take the steps that the table in ``refunds/lifecycle/`` allows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

import clock
import images
from accounts import rights
from accounts.devices import key_of
from accounts.models import User
from accounts.roles import Role
from api import steps
from api.door import Door, PageQuery, Strict, checked, newest_first
from api.errors import Problem
from api.orders import MOST_FEN
from api.parsing import BoundedForm
from api.refund_shapes import REASON_CHOICES, RefundInFull, RefundInList
from orders.models import Order
from refunds import applying, evidence, lifecycle
from refunds.models import (
    Destination,
    Disbursement,
    Evidence,
    Offer,
    PreCheck,
    Queue,
    Refund,
    RefundEvent,
    RefundLine,
    Status,
)
from shops.policy_terms import SLOTS

MOST_ASKED = MOST_RELEASED = 100


# --- what is sent in --------------------------------------------------------------------------------------------------


class RefundFilter(Strict):
    status = serializers.ChoiceField(Status.choices, required=False)
    queue = serializers.ChoiceField(Queue.choices, required=False)


class RefundQuery(RefundFilter, PageQuery):
    pass


class Asking(Strict):
    """What any application says. Without `destination`: the original route."""

    reason = serializers.ChoiceField(REASON_CHOICES)
    description = serializers.CharField(max_length=1000, allow_blank=True, required=False)
    contact = serializers.CharField(max_length=60, allow_blank=True, required=False)
    destination = serializers.ChoiceField(Destination.to_ask_for(), required=False)


class NewRefund(Asking):
    """Without `amount_fen`: all that is left; without `line_ids`: of all lines; without `destination`: the original
    route."""

    order_no = serializers.CharField(max_length=20)
    amount_fen = serializers.IntegerField(min_value=1, max_value=MOST_FEN, required=False)
    line_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), min_length=1, max_length=50, required=False
    )


class NewRefunds(Asking):
    """Each of these orders with all that is left of it, for the same reason."""

    order_nos = serializers.ListField(child=serializers.CharField(max_length=20), min_length=1, max_length=MOST_ASKED)


class NewRefundLine(serializers.Serializer):
    """`submitted`; `already_active`: the order has a refund, which is named; `refused`: see `code`; `not_found`."""

    order_no = serializers.CharField()
    result = serializers.ChoiceField(["submitted", "already_active", "refused", "not_found"])
    refund_no = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    amount_fen = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


class AskedRefunds(serializers.Serializer):
    results = NewRefundLine(many=True)


class NewEvidence(Strict):
    """A sentence, an image (JPEG, PNG or WebP, at most 8 MB), or both. `slot`: which of `missing_slots` the image is
    for; without one it is any other picture."""

    note = serializers.CharField(max_length=500, allow_blank=True, required=False)
    image = serializers.FileField(allow_empty_file=True, required=False)
    slot = serializers.ChoiceField(SLOTS, required=False)

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        if "slot" in sent and "image" not in sent:
            raise serializers.ValidationError({"slot": ["没有图片，凭证项无从说起；请附上图片，或去掉这一项。"]})
        return sent


class Release(Strict):
    refund_nos = serializers.ListField(
        child=serializers.CharField(max_length=20), min_length=1, max_length=MOST_RELEASED
    )


class ReleasedLine(serializers.Serializer):
    """`sent`; `set_aside`: the channel would refuse it; `refused`: see `code`; `not_found`."""

    refund_no = serializers.CharField()
    result = serializers.ChoiceField(["sent", "set_aside", "refused", "not_found"])
    code = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


class Released(serializers.Serializer):
    results = ReleasedLine(many=True)


# --- views ------------------------------------------------------------------------------------------------------------


def visible_to(user: User) -> QuerySet[Refund]:
    """A buyer's own cases, a shop's, for staff all. What is not here does not exist for the caller (X7)."""
    if rights.is_staff(user):
        return Refund.objects.all()
    return Refund.objects.filter(Q(buyer=user) | Q(asked_by=user) | Q(order__shop__in=user.shops.all()))


class RefundDoor(Door):
    def refund(self, refund_no: str) -> Refund:
        rows = visible_to(self.caller).select_related("order", "payment__account")
        return get_object_or_404(rows, refund_no=refund_no)

    def in_full(self, refund_no: str, status: int = 200) -> Response:
        rows = visible_to(self.caller).select_related("order__policy", "payment__account", "pre_check")
        refund = get_object_or_404(rows, refund_no=refund_no)
        later = [
            Prefetch("offers", Offer.objects.order_by("pk")),
            Prefetch("evidence", Evidence.objects.all()),
            Prefetch("disbursements", Disbursement.objects.select_related("attempt")),
        ]
        return self._answer(refund, later, clock.now(), status)

    def just_made(self, refund: Refund, at: datetime, url: str) -> Response:
        """Without pictures: of what comes later there is nothing to look for."""
        later = [
            Prefetch("offers", Offer.objects.none()),
            Prefetch("evidence", Evidence.objects.none()),
            Prefetch("disbursements", Disbursement.objects.none()),
            Prefetch("pre_check", PreCheck.objects.none()),
        ]
        return self._answer(refund, later, at, 201, {"Location": url})

    def _answer(
        self, refund: Refund, later: list[Prefetch], at: datetime, status: int, headers: dict[str, str] | None = None
    ) -> Response:
        events, lines = RefundEvent.objects.order_by("sequence"), RefundLine.objects.select_related("order_line")
        prefetch_related_objects([refund], Prefetch("events", events), Prefetch("lines", lines), *later)
        context = {"request": self.request, "at": at}
        return Response(RefundInFull(refund, context=context).data, status, headers=headers)


class Refunds(RefundDoor, ListAPIView):
    serializer_class = RefundInList
    pagination_class = newest_first("submitted_at")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "GET":
            self.query_class = RefundQuery
        super().initial(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Refund]:
        wanted = {name: self.query[name] for name in ("status", "queue") if name in self.query}
        rows = visible_to(self.caller).filter(**wanted).select_related("order", "payment__account")
        return rows.prefetch_related("order__policy")  # what may be done hangs on it; a page's orders share few

    @extend_schema(summary="退款单：买家自己的，商家本店的，员工全部", tags=["refunds"], parameters=[RefundFilter])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Of a page of refunds, what the caller may do with them is looked up at once."""
        reader: Any = super().get_serializer(*args, **kwargs)
        if kwargs.get("many"):
            reader.context["allowed"] = lifecycle.allowed_each(list(args[0]), self.caller, at=clock.now())
        return reader

    @extend_schema(
        summary="申请退款",
        description="订单已有进行中的退款时回答 409，并给出它的 `refund_no` 与 `url`。",
        tags=["refunds"],
        request=NewRefund,
        responses={201: RefundInFull},
    )
    def post(self, request: Request) -> Response:
        at = clock.now()
        asked = checked(NewRefund, request.data)
        order = self._own_order(asked.pop("order_no"))
        try:
            application = applying.Application(**asked, device_key=key_of(request))
            refund = applying.submit(order, application, by=self.caller, at=at)
        except applying.AlreadyActive as active:
            url = reverse("api:refund", [active.refund_no], request=request)
            raise Problem("already_active", str(active), refund_no=active.refund_no, url=url) from None
        url = reverse("api:refund", [refund.refund_no], request=request)
        return self.just_made(refund, at, url)

    def _own_order(self, order_no: str) -> Order:
        order = Order.objects.filter(buyer=self.caller, order_no=order_no).first()
        if order is None:
            raise Problem("not_found", fields={"order_no": ["您没有这张订单，请核对订单号。"]})
        return order


class BatchOfRefunds(RefundDoor):
    @extend_schema(
        summary="批量申请退款：逐单给出结果",
        description="不能申请的订单不影响其他订单；同一请求可以重发，已有退款的订单回答 `already_active`。",
        tags=["refunds"],
        request=NewRefunds,
        responses=AskedRefunds,
    )
    def post(self, request: Request) -> Response:
        at = clock.now()
        asked = checked(NewRefunds, request.data)
        wanted = list(dict.fromkeys(asked.pop("order_nos")))
        orders = {order.order_no: order for order in Order.objects.filter(buyer=self.caller, order_no__in=wanted)}
        application = applying.Application(**asked, device_key=key_of(request))
        made = applying.submit_many(list(orders.values()), application, by=self.caller, at=at)
        lines = [self._line(no, made[orders[no].pk] if no in orders else None) for no in wanted]
        return Response(AskedRefunds({"results": lines}).data)

    def _line(self, order_no: str, made: Refund | lifecycle.StepRefused | None) -> dict[str, Any]:
        line: dict[str, Any] = dict.fromkeys(["refund_no", "url", "code", "detail"], "")
        line |= {"order_no": order_no, "amount_fen": None}
        if made is None:
            return line | {"result": "not_found", "detail": "您没有这张订单，请核对订单号。"}
        if isinstance(made, Refund):
            line |= {"result": "submitted", "refund_no": made.refund_no, "amount_fen": made.amount_fen}
        else:
            line |= {"result": "refused", "code": made.code, "detail": str(made)}
        if isinstance(made, applying.AlreadyActive):
            line |= {"result": "already_active", "refund_no": made.refund_no}
        if line["refund_no"]:
            line["url"] = reverse("api:refund", [line["refund_no"]], request=self.request)
        return line


class OneRefund(RefundDoor):
    @extend_schema(summary="退款单：进度、初审结果、记录、现在可做的步骤", tags=["refunds"], responses=RefundInFull)
    def get(self, request: Request, refund_no: str) -> Response:
        return self.in_full(refund_no)


class StepOfRefund(RefundDoor):
    """One address for every step that a person may take, drawn from the table of steps."""

    @extend_schema(
        summary="做一步：通过、驳回、撤销……",
        description=steps.described(),
        tags=["refunds"],
        parameters=[OpenApiParameter("step", str, OpenApiParameter.PATH, enum=sorted(steps.OF_PERSONS))],
        request=steps.AnyWords,
        responses=RefundInFull,
    )
    def post(self, request: Request, refund_no: str, step: str) -> Response:
        refund = self.refund(refund_no)
        if step not in steps.OF_PERSONS:
            raise Problem("no_such_step", steps=sorted(steps.OF_PERSONS))
        words = checked(steps.words_of(step), request.data)
        steps.take(step, refund, by=self.caller, at=clock.now(), **words)
        return self.in_full(refund_no)


class EvidenceOfCase(RefundDoor):
    parser_classes = [BoundedForm]

    @extend_schema(
        summary="补充材料：一句说明、一张图片，或两者",
        description="只在退款单等待补充材料时接受；此前回答 409。图片会重新绘制，不保留原文件。",
        tags=["refunds"],
        request={"multipart/form-data": NewEvidence},
        responses={201: RefundInFull},
    )
    def post(self, request: Request, refund_no: str) -> Response:
        refund = self.refund(refund_no)
        sent = checked(NewEvidence, request.data)
        steps.demand_evidence_is_asked(refund, by=self.caller)
        pictures = [_for_its_slot(sent)] if "image" in sent else []
        lifecycle.provide_evidence(refund, by=self.caller, at=clock.now(), note=sent.get("note", ""), images=pictures)
        return self.in_full(refund_no, 201)


class ReleaseRefunds(RefundDoor):
    @extend_schema(
        summary="财务放款：逐单给出结果",
        tags=["refunds"],
        request=Release,
        responses=Released,
    )
    def post(self, request: Request) -> Response:
        if Role(self.caller.role) not in lifecycle.STEPS["disburse"].who:
            raise Problem("not_yours", "放款须由财务操作。")
        wanted = list(dict.fromkeys(checked(Release, request.data)["refund_nos"]))
        found = list(visible_to(self.caller).filter(refund_no__in=wanted).select_related("order"))
        results = steps.release(found, by=self.caller, at=clock.now())
        lines = [
            {"refund_no": no} | results.get(no, {"result": "not_found", "code": "", "detail": ""}) for no in wanted
        ]
        return Response(Released({"results": lines}).data)


def _for_its_slot(sent: dict[str, Any]) -> evidence.Image:
    picture = _repainted(sent["image"])
    return evidence.ForSlot(sent["slot"], picture) if "slot" in sent else picture


def _repainted(upload: Any) -> images.Repainted:
    if upload.size > images.MAX_BYTES:
        raise images.UnusableImage("too_large")
    return images.repaint(upload.read())
