"""`manage.py verify_chain`: one byte changed by the database's owner is found, and the event is named (X19, I7)."""

from __future__ import annotations

import io
from datetime import date, timedelta

import pytest
from django.core.management import CommandError, call_command

from orders.models import OrderEvent
from records import chain, roots
from refunds.models import RefundEvent
from shops.models import CodeEvent
from tests.records.owner import as_owner, behind_our_back

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(buy, reveal, apply, days_ago):
    """An order, seen and asked back, in the root of yesterday."""
    order = buy()
    reveal(order)
    refund = apply(order)
    days_ago(1)
    roots.publish(at=roots.now())
    return order, order.lines.get().delivery.code, refund


def verify(*words):
    """Exit code 0 or 1, and the lines that name what was changed."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_chain", *words, stdout=out, stderr=err)
    except CommandError:
        return 1, err.getvalue().splitlines()
    assert "✓" in out.getvalue()
    return 0, err.getvalue().splitlines()


def test_nothing_was_changed(told):
    order, code, refund = told
    assert verify() == (0, [])
    assert verify("--code", str(code.pk)) == (0, [])
    assert verify("--order", order.order_no) == (0, [])
    assert verify("--refund", refund.refund_no) == (0, [])
    assert verify("--since", date.today().isoformat()) == (0, [])


def test_progress_is_told(told):
    out = io.StringIO()
    call_command("verify_chain", stdout=out)
    assert "order: 1 chains, 4 events" in out.getvalue()
    assert "root of" in out.getvalue()


def flip(event, column):
    """One byte of one column becomes another."""
    field = type(event)._meta.get_field(column)
    table = event._meta.db_table
    if field.get_internal_type() == "BinaryField":
        byte = f"set_byte({column}, 3, get_byte({column}, 3) # 1)"
    elif field.get_internal_type() == "DateTimeField":
        byte = f"{column} + interval '1 microsecond'"
    elif field.get_internal_type() == "GenericIPAddressField":
        byte = "'203.0.113.8'"
    elif field.is_relation:
        byte = "(SELECT max(id) FROM accounts_user)"
    elif field.get_internal_type() == "PositiveIntegerField":
        byte = f"{column} + 100"
    else:
        byte = f"overlay({column} || ' ' placing 'X' from 1 for 1)"
    return f"UPDATE {table} SET {field.column} = {byte.replace(column, field.column)} WHERE id = {event.pk}"


COLUMNS = {
    "code": ["kind", "to_state", "actor", "ip", "device", "at", "sequence", "salt", "personal_digest", "previous_hash", "hash"],  # noqa: E501
    "order": ["step", "to_status", "actor", "note", "at", "sequence", "salt", "personal_digest", "previous_hash", "hash"],  # noqa: E501
    "refund": ["step", "from_status", "to_status", "actor", "role", "note", "at", "sequence", "salt", "personal_digest", "previous_hash", "hash"],  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize("stream", COLUMNS)
def test_one_byte_of_one_column_is_found_and_named(told, stranger, stream):
    """Every column of a link but its key, its subject and the day it was written on, which the root holds."""
    order, code, refund = told
    event, name = {
        "code": (code.events.get(kind="reveal"), f"code {code.pk}: event 4 (reveal"),
        "order": (order.events.get(step="pay"), f"order {order.order_no}: event 2 (pay"),
        "refund": (refund.events.get(step="submit"), f"refund {refund.refund_no}: event 1 (submit"),
    }[stream]
    kind = type(event)
    hashed = set(COLUMNS[stream]) | {"id", kind.SUBJECT, "recorded_at"}
    assert {field.name for field in kind._meta.fields} == hashed, "a new column is in no hash"
    for column in COLUMNS[stream]:
        with as_owner() as cursor:
            cursor.execute(flip(event, column))
            assert cursor.rowcount == 1
            code_, lines = verify()
        assert code_ == 1, column
        if column in {"step", "kind"}:
            name = name.split(" (")[0]
        if column == "sequence":
            assert any("is missing" in line for line in lines), lines
        else:
            assert any(line.startswith(name) for line in lines), (column, lines)
    assert verify() == (0, [])


def test_the_line_says_what_and_when(told):
    _, code, _ = told
    event = code.events.get(kind="reveal")
    with as_owner() as cursor:
        cursor.execute(f"UPDATE shops_codeevent SET device = 'Nokia' WHERE id = {event.pk}")
        _, (line,) = verify("--code", str(code.pk))
    when = f"{roots.timezone.localtime(event.at):%Y-%m-%d %H:%M}"
    assert line == f"code {code.pk}: event 4 (reveal, {when}) has other personal details than were written"


@pytest.mark.parametrize(("sequence", "said"), [(2, "event 2 is missing"), (4, "its last event 3")])
def test_an_event_that_is_gone_is_missed(told, sequence, said):
    """From the middle the next one misses it; from the end the code itself tells, and the root of its day."""
    _, code, _ = told
    assert code.events.count() == 4
    with as_owner() as cursor:
        cursor.execute("DELETE FROM shops_codeevent WHERE code_id = %s AND sequence = %s", [code.pk, sequence])
        status, lines = verify()
    assert status == 1
    assert any(f"code {code.pk}" in line and said in line for line in lines), lines
    if sequence == 4:
        assert any("is not what the root of" in line for line in lines), lines


def test_a_chain_that_was_written_anew_is_found_by_the_root(told):
    """Whoever owns the database can compute every hash again; what was published yesterday remains (S3-26)."""
    _, code, _ = told
    events = list(code.events.order_by("sequence"))
    reveal = next(event for event in events if event.kind == "reveal")
    reveal.at -= timedelta(hours=5)
    chain.link(events, after={})
    with as_owner() as cursor:
        for event in events:
            cursor.execute(
                "UPDATE shops_codeevent SET at = %s, salt = %s, personal_digest = %s, previous_hash = %s, hash = %s"
                " WHERE id = %s",
                [event.at, event.salt, event.personal_digest, event.previous_hash, event.hash, event.pk],
            )
        found, alone = verify(), verify("--code", str(code.pk))
    assert found[0] == alone[0] == 1
    for lines in (found[1], alone[1]):
        assert any(line.startswith(f"code {code.pk}: event") and "the root of" in line for line in lines), lines


def test_an_event_moved_to_another_day_is_found(told):
    order, *_ = told
    with as_owner() as cursor:
        cursor.execute(
            "UPDATE orders_orderevent SET recorded_at = recorded_at - interval '9 days' WHERE order_id = %s", [order.pk]
        )
        status, lines = verify()
    assert status == 1
    assert any("of its chains have no event of that day any more" in line for line in lines), lines


def test_a_record_that_is_gone_as_a_whole_is_named(told):
    order, code, refund = told
    with as_owner() as cursor:
        cursor.execute("DELETE FROM refunds_refundevent")
        status, lines = verify()
    assert status == 1
    assert f"refund {refund.refund_no}: has no record at all" in lines


def test_a_state_that_no_event_tells_of_is_named(told):
    """I8: the row's state is its last event's."""
    order, code, refund = told
    for table, column, value, row, name in [
        ("shops_cardcode", "state", "void", code, f"code {code.pk}: is void"),
        ("orders_order", "status", "canceled", order, f"order {order.order_no}: is canceled"),
        ("refunds_refund", "held_fen = 0, status", "rejected", refund, f"refund {refund.refund_no}: is rejected"),
    ]:
        with as_owner() as cursor:
            cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, row.pk])
            status, lines = verify()
        assert status == 1
        assert any(line.startswith(name) for line in lines), lines


def test_a_forged_or_removed_root_is_named(told, days_ago):
    behind_our_back("UPDATE records_dailyroot SET day = day - 2")
    status, lines = verify()
    assert status == 1
    assert any("its signature is not by key" in line for line in lines)
    behind_our_back("UPDATE records_dailyroot SET day = day + 2, leaves = '', leaf_count = 0, root = sha256('')")
    status, lines = verify()
    assert any("its signature" in line for line in lines)


def test_a_root_left_out_is_missed(told, days_ago):
    roots.publish(at=roots.now() + timedelta(days=2))
    assert verify() == (0, [])
    today = roots.timezone.localdate(roots.now())
    with as_owner() as cursor:
        cursor.execute("DELETE FROM records_dailyroot WHERE day = %s", [today])
        status, lines = verify()
    assert status == 1
    assert lines == [f"root of {today}: is missing"]


def test_what_nobody_knows_is_said(told):
    for words in (["--code", "nothing"], ["--order", "D0000000"], ["--refund", "R0000000"]):
        with pytest.raises(CommandError, match="no"):
            call_command("verify_chain", *words)


def test_a_thousand_chains_need_no_more_memory_than_ten(make_product, django_assert_max_num_queries):
    """One row at a time: the number of queries does not grow with the number of chains."""
    make_product(stock=10)
    with django_assert_max_num_queries(20) as few:
        assert verify() == (0, [])
    make_product(stock=500)
    with django_assert_max_num_queries(len(few)):
        assert verify() == (0, [])


def test_every_stream_is_checked():
    assert roots.streams() == [CodeEvent, OrderEvent, RefundEvent]
