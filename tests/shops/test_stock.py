"""卡密的一生: every move from every state, a record that adds up to the state, restocking, the sealed text (I9)."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

import clock
from records import chain
from shops import stock
from shops.models import CardCode, CodeEvent, CodeState, Product, Shop
from shops.models import CodeEventKind as K
from shops.models import CodeState as S
from shops.stock import CannotMove, CannotRestock, CodeIsFrozen, SoldOut, Viewer

pytestmark = pytest.mark.django_db

#: What a move writes beside the state.
TIMES = {K.DELIVER: "delivered_at", K.REVEAL: "revealed_at"}


@pytest.fixture
def product(make_product):
    return make_product(stock=0)


def move(code: CardCode, kind: K) -> None:
    """The move as the table has it, whatever the code's state is."""
    at = clock.now()
    with transaction.atomic():
        stock._move([code], kind, at=at, **({TIMES[kind]: at} if kind in TIMES else {}))


#: How a code gets where it is.
WAYS: dict[S, list[K]] = {
    S.IN_STOCK: [],
    S.RESERVED: [K.RESERVE],
    S.DELIVERED: [K.RESERVE, K.DELIVER],
    S.REVEALED: [K.RESERVE, K.DELIVER, K.REVEAL],
    S.FROZEN: [K.RESERVE, K.DELIVER, K.FREEZE],
    S.QUARANTINED: [K.RESERVE, K.DELIVER, K.FREEZE, K.QUARANTINE],
    S.VOID: [K.RESERVE, K.DELIVER, K.REVEAL, K.VOID],
}


def code_in(state: S, product: Product) -> CardCode:
    (code,) = stock.add(product, [f"CODE-{uuid.uuid4()}"], at=clock.now())
    for kind in WAYS[state]:
        move(code, kind)
    return CardCode.objects.get(pk=code.pk)


def folded(code: CardCode) -> str:
    """The state that the events add up to, each taken as the table says it (I8)."""
    state = ""
    for event in code.events.order_by("sequence"):
        if event.kind in stock.MOVES:
            sources, target = stock.MOVES[K(event.kind)]
            assert state in sources, event.kind
            state = target
        elif state == "":
            assert event.kind in {K.STOCK, K.ADOPT, K.RESTOCK}
            state = event.to_state
        else:
            assert event.kind in stock.STAYS
        assert event.to_state == state
    return state


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_ways_lead_to_every_state_and_the_table_names_every_kind():
    assert set(WAYS) == set(S)
    assert set(K) == set(stock.MOVES) | stock.STAYS
    assert not set(stock.MOVES) & stock.STAYS


@pytest.mark.parametrize("kind", list(stock.MOVES))
@pytest.mark.parametrize("state", list(S))
def test_only_the_tables_moves_pass(product, state, kind):
    code = code_in(state, product)
    sources, target = stock.MOVES[kind]
    if state in sources:
        move(code, kind)
        expected = target
    else:
        with pytest.raises(CannotMove):
            move(code, kind)
        expected = state
    code.refresh_from_db()
    assert code.state == expected == folded(code)
    assert list(chain.broken(code.events.order_by("sequence"))) == []


@pytest.mark.parametrize("seed", range(8))
def test_wherever_it_wanders_its_record_adds_up_to_its_state(product, seed):
    """I8."""
    chance = random.Random(seed)
    code = code_in(S.IN_STOCK, product)
    for _ in range(15):
        kinds = [kind for kind, (sources, _) in stock.MOVES.items() if code.state in sources]
        kind = chance.choice(kinds)
        if kind == K.QUARANTINE and code.state == S.IN_STOCK:
            continue  # nobody ever had it: there is no buyer to give it back to
        move(code, kind)
        code = CardCode.objects.get(pk=code.pk)
        assert code.state == folded(code)


def test_of_several_codes_all_move_or_none(product):
    good, bad = code_in(S.IN_STOCK, product), code_in(S.VOID, product)
    with pytest.raises(CannotMove), transaction.atomic():
        stock._move([good, bad], K.RESERVE, at=clock.now())
    assert CardCode.objects.get(pk=good.pk).state == S.IN_STOCK
    assert good.events.count() == 1


@pytest.mark.parametrize("state", [S.IN_STOCK, S.RESERVED, S.DELIVERED, S.FROZEN, S.QUARANTINED])
def test_the_database_itself_keeps_a_seen_code_seen(product, state):
    """I9: also against code that goes around the table."""
    code = code_in(S.REVEALED, product)
    for columns in ({"state": state}, {"state": state, "revealed_at": None}):
        with pytest.raises(Exception, match="revealed"), transaction.atomic():
            CardCode.objects.filter(pk=code.pk).update(**columns)


# --- sale -------------------------------------------------------------------------------------------------------------


def test_too_few_left_reserves_nothing(product):
    stock.add(product, ["A-1", "A-2"], at=clock.now())
    with pytest.raises(SoldOut), transaction.atomic():
        stock.reserve(product.pk, 3, at=clock.now())
    assert stock.available(product.pk) == 2


def test_what_has_expired_is_not_sold(product):
    today = timezone.localdate(clock.now())
    stock.add(product, ["OLD", "TODAY"], at=clock.now())
    old, good = product.codes.all()
    CardCode.objects.filter(pk=old.pk).update(valid_until=today - timedelta(days=1))
    CardCode.objects.filter(pk=good.pk).update(valid_until=today)
    with transaction.atomic():
        assert [code.pk for code in stock.reserve(product.pk, 1, at=clock.now())] == [good.pk]
    with pytest.raises(SoldOut), transaction.atomic():
        stock.reserve(product.pk, 1, at=clock.now())


def test_counts_stop_at_their_limit(product, make_product):
    other = make_product(stock=1)
    stock.add(product, [f"A-{number}" for number in range(5)], at=clock.now())
    found = stock.counts([product.pk, other.pk], [S.IN_STOCK, S.VOID], up_to=3)
    assert found == {
        (product.pk, S.IN_STOCK): 3, (other.pk, S.IN_STOCK): 1, (product.pk, S.VOID): 0, (other.pk, S.VOID): 0,
    }  # fmt: skip


@pytest.mark.parametrize("state", sorted(set(S) - {S.DELIVERED, S.REVEALED}))
def test_only_what_was_delivered_is_shown(product, buyer, state):
    code = code_in(state, product)
    before = code.events.count()
    with pytest.raises(CodeIsFrozen), transaction.atomic():
        stock.reveal(code.pk, viewer=Viewer(buyer, "203.0.113.7", "phone"), at=clock.now())
    assert code.events.count() == before


def test_every_look_is_on_record_before_the_text_is_opened(product, buyer, monkeypatch):
    code = code_in(S.DELIVERED, product)

    def opened(*_, **__):
        raise RuntimeError("the vault was asked")

    monkeypatch.setattr(stock.vault, "keyring", opened)
    with pytest.raises(RuntimeError, match="the vault was asked"):
        stock.reveal(code.pk, viewer=Viewer(buyer, "203.0.113.7", "phone"), at=clock.now())
    assert CodeEvent.objects.get(code=code, kind=K.REVEAL).ip == "203.0.113.7"


# --- one living row per text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["SAME-1", "  SAME-1\n", "ＳＡＭＥ-1"])
def test_a_text_lives_once_in_the_whole_marketplace(product, make_product, text):
    """P13."""
    stock.add(product, ["SAME-1"], at=clock.now())
    rival = Shop.objects.create(name="另一家店", created_at=clock.now())
    theirs = make_product(stock=0, shop=rival)
    for into in (product, theirs):
        with pytest.raises(IntegrityError, match="code_text_is_unique"), transaction.atomic():
            stock.add(into, ["OTHER-1", text], at=clock.now())
    assert CardCode.objects.count() == 1


def test_a_refunded_unseen_code_is_sold_again_under_a_row_of_its_own(product, merchant, buyer):
    """The old row keeps its delivery and its record; the text has one living row (P13)."""
    (first,) = stock.add(product, ["TEXT-1"], at=clock.now())
    for kind in WAYS[S.QUARANTINED]:
        move(first, kind)
    with transaction.atomic():
        new = stock.restock(first.pk, by=merchant, at=clock.now())
    old = CardCode.objects.get(pk=first.pk)
    assert (old.state, old.restocked_as_id, folded(old)) == (S.QUARANTINED, new.pk, S.QUARANTINED)
    assert old.events.latest("sequence").kind == K.RELEASE
    assert (new.state, folded(new), bytes(new.fingerprint)) == (S.IN_STOCK, S.IN_STOCK, bytes(old.fingerprint))
    assert new.delivered_at is None
    assert stock.open_to_check(new.pk, at=clock.now()) == "TEXT-1"
    with pytest.raises(IntegrityError), transaction.atomic():
        stock.add(product, ["TEXT-1"], at=clock.now())


def test_a_code_goes_back_into_stock_once(product, merchant):
    code = code_in(S.QUARANTINED, product)
    with transaction.atomic():
        stock.restock(code.pk, by=merchant, at=clock.now())
    with pytest.raises(CannotRestock), transaction.atomic():
        stock.restock(code.pk, by=merchant, at=clock.now())
    with transaction.atomic():  # the refund came to nothing after all: the buyer's claim is on the old row no more
        stock.give_back(stock.lock(CardCode.objects.filter(pk=code.pk)), at=clock.now())
    assert CardCode.objects.get(pk=code.pk).state == S.QUARANTINED


@pytest.mark.parametrize("state", sorted(set(S) - {S.QUARANTINED}))
def test_only_from_quarantine_and_only_unseen(product, merchant, state):
    code = code_in(state, product)
    with pytest.raises(CannotRestock), transaction.atomic():
        stock.restock(code.pk, by=merchant, at=clock.now())
    assert CardCode.objects.count() == 1


def test_taking_out_takes_only_what_is_for_sale(product, merchant):
    codes = {state: code_in(state, product) for state in S}
    with transaction.atomic():
        assert stock.take_out(CardCode.objects.filter(product=product), by=merchant, at=clock.now()) == 1
    found = dict(CardCode.objects.values_list("pk", "state"))
    codes_then = {code.pk: CodeState.QUARANTINED if state == S.IN_STOCK else state for state, code in codes.items()}
    assert found == codes_then
