"""A refund as the API shows it: in a list, and in full with its track, its records and what may be done."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

import private_pictures
from accounts.roles import Role
from api.door import Shown
from api.orders import Rule
from notices.wording import WORDING
from payments.models import AttemptStatus, RefundAttempt
from refunds import clocking, evidence, lifecycle, reading, stages, waiting
from refunds.models import Answer, Evidence, Offer, Refund, RefundEvent, RefundLine
from refunds.reasons import REASONS

REASON_CHOICES = [(reason.code, reason.title) for reason in REASONS.values()]


class RefundInList(Shown):
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
        if refund.pk in known:
            return known[refund.pk]
        return lifecycle.allowed_steps(refund, self.context["request"].user, at=self.context.get("at"))


class LineOfRefund(Shown):
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


class OfferOfRefund(Shown):
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


class EventOfRefund(Shown):
    """Who acted is told by role; the name stays inside the house, and so does a note that no notice quotes."""

    note = serializers.SerializerMethodField()

    class Meta:
        model = RefundEvent
        fields = ["sequence", "step", "from_status", "to_status", "role", "note", "at"]

    def get_note(self, event: RefundEvent) -> str:
        is_told = "%(note)s" in str(WORDING.get(f"refund_{event.step}", ""))
        sees_the_house = lifecycle.roles_on(event.refund, self.context["request"].user) - {Role.BUYER, Role.MERCHANT}
        return event.note if is_told or sees_the_house else ""


class AttemptOfRefund(Shown):
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


class EvidenceOfRefund(Shown):
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
        if refund.is_complete:
            return []
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
