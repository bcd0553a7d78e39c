"""/api/refunds/: ask for a refund, follow it, and take the steps that the table in ``refunds/lifecycle/`` allows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

import clock
import images
import private_pictures
from accounts import rights
from accounts.devices import key_of
from accounts.models import User
from accounts.roles import Role
from api import steps
from api.door import Door, PageQuery, Strict, checked, newest_first
from api.errors import Problem
from api.orders import MOST_FEN, Rule
from api.parsing import BoundedForm
from notices.wording import WORDING
from orders.models import Order
from payments.models import AttemptStatus, RefundAttempt
from refunds import applying, clocking, evidence, lifecycle, reading, stages, waiting
from refunds.models import (
    Answer,
    Destination,
    Evidence,
    Offer,
    Queue,
    Refund,
    RefundEvent,
    RefundLine,
    Status,
)
from refunds.reasons import REASONS
from shops.policy_terms import SLOTS

MOST_RELEASED = 100
REASON_CHOICES = [(reason.code, reason.title) for reason in REASONS.values()]


# --- what a refund looks like -----------------------------------------------------------------------------------------


class RefundInList(serializers.ModelSerializer):
    url = serializers.SerializerMethodField()
    order_no = serializers.CharField(source="order.order_no", read_only=True)
    status_label = serializers.CharField(source="get_status_display", read_only=True)
    headline = serializers.SerializerMethodField()
    reason = serializers.ChoiceField(REASON_CHOICES, read_only=True)
    reason_title = serializers.SerializerMethodField()
    allowed_steps = serializers.SerializerMethodField()

    class Meta:
        model = Refund
        fields = [
            "refund_no",
            "url",
            "order_no",
            "status",
            "status_label",
            "headline",
            "queue",
            "lane",
            "reason",
            "reason_title",
            "amount_fen",
            "submitted_at",
            "promised_by",
            "allowed_steps",
        ]

    def get_url(self, refund: Refund) -> str:
        return reverse("api:refund", [refund.refund_no], request=self.context["request"])

    def get_headline(self, refund: Refund) -> str:
        return stages.headline(refund)

    def get_reason_title(self, refund: Refund) -> str:
        return REASONS[refund.reason].title if refund.reason in REASONS else refund.reason

    def get_allowed_steps(self, refund: Refund) -> list[str]:
        """Of a page of refunds they were looked up together."""
        known: dict[int, list[str]] = self.context.get("allowed", {})
        return known[refund.pk] if refund.pk in known else lifecycle.allowed_steps(refund, self.context["request"].user)


class LineOfRefund(serializers.ModelSerializer):
    line_id = serializers.IntegerField(source="order_line_id", read_only=True)
    product_name = serializers.CharField(source="order_line.product_name", read_only=True)

    class Meta:
        model = RefundLine
        fields = ["line_id", "product_name", "amount_fen"]


class StageOfTrack(serializers.Serializer):
    code = serializers.ChoiceField([*stages.STAGES, *(status.value for status in [*stages.BRANCHES, *stages.ENDINGS])])
    title = serializers.CharField()
    state = serializers.ChoiceField(["done", "current", "paused", "todo", "failed"])
    reached_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField(allow_blank=True)


class TrackOfRefund(serializers.Serializer):
    """Where it stands, who acts now, what comes next, by when: the progress page as data."""

    stages = StageOfTrack(many=True)
    headline = serializers.CharField()
    who = serializers.CharField()
    next_step = serializers.CharField()
    on_silence = serializers.CharField(allow_blank=True)
    by = serializers.DateTimeField(allow_null=True)
    by_label = serializers.CharField(allow_blank=True)
    is_late = serializers.BooleanField()
    money = serializers.CharField()
    tone = serializers.ChoiceField(["progress", "attention", "good", "bad", "quiet"])
    arrival_from = serializers.DateField(allow_null=True)
    arrival_until = serializers.DateField(allow_null=True)
    arrival_is_estimate = serializers.BooleanField()
    is_moving = serializers.BooleanField()


class OfferOfRefund(serializers.ModelSerializer):
    """协商方案, the latest one. `amount_fen` is null for a new code; `answer` is empty while it waits for the buyer."""

    made_by = serializers.ChoiceField(["merchant", "reviewer", "senior"], source="role", read_only=True)
    answer = serializers.ChoiceField([("", "等待答复"), *Answer.choices], read_only=True)

    class Meta:
        model = Offer
        fields = ["id", "amount_fen", "note", "made_by", "made_at", "answer", "answered_at"]


class PlaceOfRefund(serializers.Serializer):
    """排队: so many cases are ahead; `is_more`: at least so many; `is_read`: somebody looks at it already."""

    ahead = serializers.IntegerField()
    is_more = serializers.BooleanField()
    is_read = serializers.BooleanField()


class ClockOfRefund(serializers.Serializer):
    """How much of the present promise is over, in its own minutes: of working days alone where `is_working`. Not
    `is_official`: some of its days off are not published yet."""

    percent = serializers.IntegerField()
    gone_minutes = serializers.IntegerField()
    whole_minutes = serializers.IntegerField()
    is_working = serializers.BooleanField()
    is_official = serializers.BooleanField()


class TimeSpent(serializers.Serializer):
    whose = serializers.ChoiceField(["platform", "merchant", "answer", "channel"])
    minutes = serializers.IntegerField()


class PreCheckOfRefund(serializers.Serializer):
    verdict = serializers.CharField()
    at = serializers.DateTimeField()
    results = Rule(many=True)


class EventOfRefund(serializers.ModelSerializer):
    """Who acted is told by role; the name stays inside the house, and so does a note that no notice quotes."""

    note = serializers.SerializerMethodField()

    class Meta:
        model = RefundEvent
        fields = ["sequence", "step", "from_status", "to_status", "role", "note", "at"]

    def get_note(self, event: RefundEvent) -> str:
        is_told = "%(note)s" in str(WORDING.get(f"refund_{event.step}", ""))
        sees_the_house = lifecycle.roles_on(event.refund, self.context["request"].user) - {Role.BUYER, Role.MERCHANT}
        return event.note if is_told or sees_the_house else ""


class AttemptOfRefund(serializers.ModelSerializer):
    """One request to the channel: `request_no` is what a bank or WeChat can look up."""

    status = serializers.ChoiceField(AttemptStatus.choices, read_only=True)

    class Meta:
        model = RefundAttempt
        fields = [
            "request_no",
            "status",
            "amount_fen",
            "channel_refund_id",
            "received_account",
            "created_at",
            "accepted_at",
            "finished_at",
        ]


class EvidenceOfRefund(serializers.ModelSerializer):
    """A sentence, or an image under `image_url` (the same login, for 15 minutes; null for a sentence). `slot`: what the
    image is laid down for; empty: any other."""

    image_url = serializers.SerializerMethodField()

    class Meta:
        model = Evidence
        fields = ["id", "note", "slot", "image_url", "content_type", "width", "height", "created_at"]

    @extend_schema(responses=serializers.URLField(allow_null=True))
    def get_image_url(self, row: Evidence) -> str | None:
        if not row.image:
            return None
        request = self.context["request"]
        return str(request.build_absolute_uri(private_pictures.address("storefront:evidence", row, request.user)))


class SlotOfRefund(serializers.Serializer):
    """One picture that is asked for: send it with this `slot`."""

    slot = serializers.CharField()
    title = serializers.CharField()


class RefundInFull(RefundInList):
    contact = serializers.SerializerMethodField()
    received_account = serializers.SerializerMethodField()
    lines = LineOfRefund(many=True, read_only=True)
    track = serializers.SerializerMethodField()
    pre_check = PreCheckOfRefund(read_only=True, allow_null=True)
    events = EventOfRefund(many=True, read_only=True)
    attempts = serializers.SerializerMethodField()
    evidence = EvidenceOfRefund(many=True, read_only=True)
    missing_slots = serializers.SerializerMethodField()
    offer = serializers.SerializerMethodField()
    urge_from = serializers.SerializerMethodField()
    is_paused = serializers.SerializerMethodField()
    review_left_minutes = serializers.SerializerMethodField()
    clock = serializers.SerializerMethodField()
    queue_place = serializers.SerializerMethodField()
    time_spent = serializers.SerializerMethodField()

    class Meta(RefundInList.Meta):
        fields = [
            *RefundInList.Meta.fields,
            "fee_fen",
            "destination",
            "description",
            "contact",
            "evidence_request",
            "decision_note",
            "decided_at",
            "paid_out_at",
            "arrival_expected_from",
            "arrival_expected_until",
            "arrived_at",
            "received_account",
            "lines",
            "track",
            "pre_check",
            "events",
            "attempts",
            "evidence",
            "missing_slots",
            "offer",
            "appeal_until",
            "urge_from",
            "urged_at",
            "is_paused",
            "review_left_minutes",
            "clock",
            "queue_place",
            "time_spent",
        ]

    @extend_schema_field(OfferOfRefund(allow_null=True))
    def get_offer(self, refund: Refund) -> Any:
        """The latest that was made."""
        offer = reading.made_offer(refund, refund.offers.all())
        return OfferOfRefund(offer).data if offer else None

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_urge_from(self, refund: Refund) -> Any:
        """From when the buyer may urge; null: nothing to urge."""
        can_be = refund.status in lifecycle.STEPS["urge"].sources
        return serializers.DateTimeField().to_representation(clocking.may_urge_from(refund)) if can_be else None

    def get_is_paused(self, refund: Refund) -> bool:
        """The review's clock stands, while another side must answer."""
        return refund.review_left is not None

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_review_left_minutes(self, refund: Refund) -> Any:
        return waiting.left_of_review(refund)

    @extend_schema_field(ClockOfRefund(allow_null=True))
    def get_clock(self, refund: Refund) -> Any:
        clocked = waiting.clock_of(refund, at=self.context["at"])
        return ClockOfRefund(asdict(clocked)).data if clocked else None

    @extend_schema_field(PlaceOfRefund(allow_null=True))
    def get_queue_place(self, refund: Refund) -> Any:
        place = waiting.place_of(refund, at=self.context["at"])
        return PlaceOfRefund(asdict(place)).data if place else None

    @extend_schema_field(TimeSpent(many=True))
    def get_time_spent(self, refund: Refund) -> Any:
        """Whose time it took so far; the channel's and the bank's apart."""
        sums = waiting.spent(list(refund.events.all()), at=self.context["at"])
        return [{"whose": whose, "minutes": minutes} for whose, minutes in sums]

    @extend_schema_field(SlotOfRefund(many=True))
    def get_missing_slots(self, refund: Refund) -> Any:
        """What a complete case would show, and this one does not yet."""
        pictures = [row for row in refund.evidence.all() if row.image]
        return [
            {"slot": guide.slot, "title": guide.title}
            for guide, is_there in evidence.completeness(refund, pictures)
            if not is_there
        ]

    def get_contact(self, refund: Refund) -> str:
        """For those who decide, and for who wrote it; the shop does not need the buyer's number."""
        return "" if self._is_read_by_the_shop(refund) else refund.contact

    def get_received_account(self, refund: Refund) -> str:
        """Where the money went, for those who decide and for the buyer; empty for the shop."""
        return "" if self._is_read_by_the_shop(refund) else refund.received_account

    @extend_schema(responses=TrackOfRefund)
    @extend_schema_field(TrackOfRefund)
    def get_track(self, refund: Refund) -> Any:
        return TrackOfRefund(asdict(stages.track(refund, list(refund.events.all()), at=self.context["at"]))).data

    @extend_schema(responses=AttemptOfRefund(many=True))
    def get_attempts(self, refund: Refund) -> Any:
        attempts = AttemptOfRefund([row.attempt for row in refund.disbursements.all()], many=True).data
        hidden = {"received_account": ""} if self._is_read_by_the_shop(refund) else {}
        return [attempt | hidden for attempt in attempts]

    def _is_read_by_the_shop(self, refund: Refund) -> bool:
        return Role.MERCHANT in lifecycle.roles_on(refund, self.context["request"].user)


# --- what is sent in --------------------------------------------------------------------------------------------------


class RefundFilter(Strict):
    status = serializers.ChoiceField(Status.choices, required=False)
    queue = serializers.ChoiceField(Queue.choices, required=False)


class RefundQuery(RefundFilter, PageQuery):
    pass


class NewRefund(Strict):
    """Without `amount_fen`: all that is left; without `line_ids`: of all lines; without `destination`: the original
    route."""

    order_no = serializers.CharField(max_length=20)
    reason = serializers.ChoiceField(REASON_CHOICES)
    description = serializers.CharField(max_length=1000, allow_blank=True, required=False)
    contact = serializers.CharField(max_length=60, allow_blank=True, required=False)
    amount_fen = serializers.IntegerField(min_value=1, max_value=MOST_FEN, required=False)
    line_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), min_length=1, max_length=50, required=False
    )
    destination = serializers.ChoiceField(Destination.choices, required=False)


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
        rows = visible_to(self.caller).select_related("order", "payment")
        return get_object_or_404(rows, refund_no=refund_no)

    def in_full(self, refund_no: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        events = RefundEvent.objects.order_by("sequence")
        rows = visible_to(self.caller).select_related("order__policy", "pre_check")
        rows = rows.prefetch_related(
            Prefetch("events", events),
            Prefetch("offers", Offer.objects.order_by("pk")),
            "evidence",
            "lines__order_line",
            "disbursements__attempt",
        )
        refund = get_object_or_404(rows, refund_no=refund_no)
        context = {"request": self.request, "at": clock.now()}
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
        return visible_to(self.caller).filter(**wanted).select_related("order")

    @extend_schema(summary="退款单：买家自己的，商家本店的，员工全部", tags=["refunds"], parameters=[RefundFilter])
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Of a page of refunds, what the caller may do with them is looked up at once."""
        reader: Any = super().get_serializer(*args, **kwargs)
        if kwargs.get("many"):
            reader.context["allowed"] = lifecycle.allowed_each(list(args[0]), self.caller)
        return reader

    @extend_schema(
        summary="申请退款",
        description="订单已有进行中的退款时回答 409，并给出它的 `refund_no` 与 `url`。",
        tags=["refunds"],
        request=NewRefund,
        responses={201: RefundInFull},
    )
    def post(self, request: Request) -> Response:
        asked = checked(NewRefund, request.data)
        order = self._own_order(asked.pop("order_no"))
        try:
            application = applying.Application(**asked, device_key=key_of(request))
            refund = applying.submit(order, application, by=self.caller, at=clock.now())
        except applying.AlreadyActive as active:
            url = reverse("api:refund", [active.refund_no], request=request)
            raise Problem("already_active", str(active), refund_no=active.refund_no, url=url) from None
        url = reverse("api:refund", [refund.refund_no], request=request)
        return self.in_full(refund.refund_no, 201, {"Location": url})

    def _own_order(self, order_no: str) -> Order:
        order = Order.objects.select_related("policy").filter(buyer=self.caller, order_no=order_no).first()
        if order is None:
            raise Problem("not_found", fields={"order_no": ["您没有这张订单，请核对订单号。"]})
        return order


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
