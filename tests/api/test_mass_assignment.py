"""To every body that the API reads, every column of every model is sent along, and refused (X9, PM5)."""

from __future__ import annotations

import pytest
from django.apps import apps
from rest_framework.throttling import UserRateThrottle

from api import door, orders, refunds, steps
from api.door import Strict

pytestmark = pytest.mark.django_db
MODELS = ["refunds.Refund", "refunds.RefundEvent", "refunds.Evidence", "refunds.Disbursement", "payments.Payment",
          "payments.RefundAttempt", "orders.Order", "orders.OrderLine", "accounts.User"]  # fmt: skip


def columns() -> list[str]:
    fields = {field for label in MODELS for field in apps.get_model(label)._meta.get_fields()}
    return sorted({name for field in fields for name in (field.name, getattr(field, "attname", field.name))})


def readers() -> list[type[Strict]]:
    """Those with a name in our code, and what each step of a person reads."""
    found = [Strict]
    for reader in found:
        found += [shape for shape in reader.__subclasses__() if not shape.__name__.startswith("WordsOf_")]
    return [*found[1:], *(steps.words_of(step) for step in sorted(steps.OF_PERSONS))]


def test_every_reader_is_strict_and_names_its_fields():
    """What the API writes out is read-only; what it reads is one of these."""
    from rest_framework.serializers import ModelSerializer

    asked = {refunds.NewRefund, refunds.NewRefunds, refunds.NewEvidence, refunds.Release}
    assert asked | {orders.EligibilityQuery, door.NoQuery} <= set(readers())
    needs_words = steps.words_of("reject")().fields
    assert needs_words.keys() == {"note", "ground"}
    assert needs_words["note"].required
    assert not steps.words_of("withdraw")().fields
    shapes = [ModelSerializer]
    for shape in shapes:
        shapes += shape.__subclasses__()
    ours = [shape for shape in shapes if shape.__module__.startswith("api.") and shape is not door.Shown]
    assert len(ours) > 8
    for shape in ours:
        assert isinstance(shape.Meta.fields, list), f"{shape}: fields are named one by one"


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.__name__)
def test_a_reader_refuses_every_column_that_it_does_not_name(reader):
    own = set(reader().fields)
    for column in columns():
        if column not in own:
            read = reader(data={column: "1"})
            assert not read.is_valid()
            assert column in read.errors, column


def test_every_column_sent_with_an_application_or_a_step_changes_nothing(
    api, buy, reveal, apply, buyer, reviewer, monkeypatch
):
    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": None})
    order = buy(price_fen=8800)
    other = buy(price_fen=3000)
    reveal(order)
    case = apply(order)
    before = type(case).objects.values().get(pk=case.pk)
    bodies = {
        "/api/refunds/": {"order_no": other.order_no, "reason": "late"},
        f"/api/refunds/{case.refund_no}/steps/withdraw/": {},
        f"/api/refunds/{case.refund_no}/steps/approve/": {},
        f"/api/refunds/{case.refund_no}/steps/reject/": {"note": "说明"},
    }
    named = {"order_no", "reason", "description", "contact", "amount_fen", "destination", "note"}
    for path, body in bodies.items():
        person = reviewer if "approve" in path or "reject" in path else buyer
        caller = api(person)
        for column in columns():
            if column not in named:
                answer = caller.post(path, body | {column: 1})
                assert (answer.status_code, list(answer.json()["fields"])) == (400, [column])
    assert type(case).objects.values().get(pk=case.pk) == before
    assert not other.refunds.exists()
