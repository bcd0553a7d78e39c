"""What the issuer says of a code: opened on record, asked outside any transaction, kept as signed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

import clock
from refunds import casefile
from shops import checking
from shops.models import CardCode, CodeEvent, SupplierAnswer
from shops.suppliers import registry
from shops.suppliers.base import NeverSent, OutcomeUnknown

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold(buy, supplier):
    """An order of one code whose issuer can be asked, and the code."""
    order = buy(price_fen=8800, supplier=supplier)
    return order, CardCode.objects.get(delivery__line__order=order)


def test_the_answer_is_kept_with_its_proof(sold, reviewer, reveal, simulator):
    order, code = sold
    (text,) = reveal(order)
    simulator.post("issuer", code=text, redeemed_at="2026-11-01T10:00:00+08:00")
    answer = checking.look_up(code.pk, by=reviewer, at=clock.now())
    assert (answer.state, answer.about) == ("redeemed", f"code:{code.pk}")
    assert answer.effective_at == datetime(2026, 11, 1, 2, tzinfo=UTC)
    assert registry.is_genuine(SupplierAnswer.objects.get())
    assert text not in answer.body


def test_who_asked_stands_in_the_codes_record(sold, reviewer):
    _, code = sold
    checking.look_up(code.pk, by=reviewer, at=clock.now())
    event = CodeEvent.objects.filter(code=code).latest("sequence")
    assert (event.kind, event.actor, event.to_state) == ("check", reviewer, "delivered")


@pytest.mark.parametrize("fault", ["issuer_lost", "issuer_500", "issuer_bad_signature"])
def test_no_answer_is_no_fact_and_the_opening_stays_on_record(fault, sold, reveal, reviewer, simulator):
    order, code = sold
    (text,) = reveal(order)
    simulator.faults(fault, request_no=hash_of(text))
    with pytest.raises(OutcomeUnknown):
        checking.look_up(code.pk, by=reviewer, at=clock.now())
    assert not SupplierAnswer.objects.exists()
    assert CodeEvent.objects.filter(code=code, kind="check").count() == 1


def test_a_code_without_an_issuer_is_not_opened(buy, reviewer):
    code = CardCode.objects.get(delivery__line__order=buy())
    assert not checking.can_look_up([code.pk])
    with pytest.raises(NeverSent):
        checking.look_up(code.pk, by=reviewer, at=clock.now())
    assert not CodeEvent.objects.filter(kind="check").exists()


@pytest.mark.django_db(transaction=True)
def test_the_issuer_is_never_asked_inside_a_transaction(sold, reviewer):
    """PM3."""
    with pytest.raises(RuntimeError), transaction.atomic():
        checking.look_up(sold[1].pk, by=reviewer, at=clock.now())


def test_the_last_answer_counts(sold, reveal, reviewer, simulator):
    order, code = sold
    checking.look_up(code.pk, by=reviewer, at=clock.now())
    assert checking.latest([code.pk])[code.pk].state == "unused"
    simulator.post("issuer", code=reveal(order)[0], redeemed_at="2026-11-01T10:00:00+08:00")
    checking.look_up(code.pk, by=reviewer, at=clock.now())
    assert checking.latest([code.pk])[code.pk].state == "redeemed"
    with pytest.raises(DatabaseError), transaction.atomic():
        SupplierAnswer.objects.update(state="unused")


@pytest.mark.parametrize(
    ("redeemed_after_look", "words"),
    [(None, "未兑换"), (timedelta(hours=-1), "在查看之前已兑换"), (timedelta(seconds=1), "在查看之后兑换")],
)
def test_the_reviewer_reads_on_which_side_of_the_look_it_was_redeemed(
    redeemed_after_look, words, sold, reveal, apply, reviewer, simulator
):
    order, code = sold
    (text,) = reveal(order)
    refund = apply(order)
    code.refresh_from_db()
    if redeemed_after_look is not None:
        simulator.post("issuer", code=text, redeemed_at=(code.revealed_at + redeemed_after_look).isoformat())
        simulator.clock(5)  # its own clock may be behind ours
    checking.look_up(code.pk, by=reviewer, at=clock.now())
    (facts,) = casefile.open_file(refund, at=clock.now()).lines
    assert facts.used is not None
    assert facts.used[0] == words


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
