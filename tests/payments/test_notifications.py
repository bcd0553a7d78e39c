"""A notification is a hint: whatever comes over the wire, only a query moves anything (I14, G11–G15)."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client

import clock
from cardshop import invariants
from orders.placing import Wish
from payments import charging, refunding
from payments.models import AttemptStatus, ChannelNotification, PaymentStatus, RefusedNotification
from refunds import disbursement
from refunds.models import Status
from tests.cases import attempt_of, everything
from tests.gateways.test_wechat import mailbox  # noqa: F401  an address that keeps what is sent to it

REFUND = "/notify/wechat/refund"
PAYMENT = "/notify/wechat/payment"


@pytest.fixture
def released_to_mailbox(mailbox, released, settings):  # noqa: F811
    """A refund about which the channel notifies the mailbox instead of the shop."""
    settings.SITE_URL = f"http://127.0.0.1:{mailbox.server_port}"
    return released()


def post(client, letter, path=REFUND, body=None, **headers):
    """A letter as it came, or with changes, sent to the shop."""
    sent, text = letter
    sent = {name: value for name, value in sent.items() if name.startswith("Wechatpay-")} | headers
    sent = {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
    return client.post(path, data=body or text, content_type="application/json", headers=sent)


def next_refund_letter(mailbox):  # noqa: F811
    while True:
        letter = mailbox.next()
        if b"REFUND." in letter[1]:
            return letter


def hear(at_least=1):
    assert refunding.sweep(at=clock.now()) >= at_least
    disbursement.hear(at=clock.now())


@pytest.fixture
def notified(released_to_mailbox, mailbox, simulator):  # noqa: F811
    """A refund that succeeded at the channel, and the genuine notification that the shop has not had yet."""
    refund = released_to_mailbox
    refunding.sweep(at=clock.now())
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    return refund, next_refund_letter(mailbox)


@pytest.mark.django_db
def test_a_genuine_one_changes_nothing_until_the_channel_is_asked(client, notified, simulator):
    refund, letter = notified
    before = everything() | {"RefundAttempt": []}
    assert post(client, letter).status_code == 204
    assert everything() | {"RefundAttempt": []} == before
    attempt = attempt_of(refund)
    assert (attempt.status, attempt.money_moves) == (AttemptStatus.ACCEPTED, 0)
    assert attempt.next_due_at <= clock.now()
    hear()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.django_db
def test_a_replayed_one_is_stored_once_and_harmless(client, notified, simulator):
    """G14: a late SUCCESS after ABNORMAL moves nothing forward; what the channel says now counts."""
    refund, letter = notified
    assert [post(client, letter).status_code for _ in range(3)] == [204] * 3
    assert ChannelNotification.objects.count() == 1
    hear()
    simulator.settle(attempt_of(refund).request_no, "ABNORMAL")
    post(client, letter)  # says SUCCESS
    hear()
    refund.refresh_from_db()
    assert refund.status == Status.RETURNED
    post(client, letter)
    hear()
    refund.refresh_from_db()
    assert refund.status == Status.RETURNED
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_in_any_order_the_query_decides(order, client, notified, mailbox, simulator):  # noqa: F811
    """G12."""
    refund, first = notified
    simulator.settle(attempt_of(refund).request_no, "ABNORMAL")
    letters = [first, next_refund_letter(mailbox)]
    for index in order:
        assert post(client, letters[index]).status_code == 204
        hear()
    refund.refresh_from_db()
    assert refund.status == Status.RETURNED
    assert ChannelNotification.objects.count() == 2


def another_amount(text: bytes) -> bytes:
    return text.replace(b"REFUND.SUCCESS", b"REFUND.CLOSED")


FORGERIES = {
    "another event": lambda letter: {"body": another_amount(letter[1])},
    "another nonce": lambda letter: {"Wechatpay_Nonce": "0" * 32, "Wechatpay-Nonce": None},
    "an old time": lambda letter: {"Wechatpay-Timestamp": str(int(letter[0]["Wechatpay-Timestamp"]) - 301)},
    "another key": lambda letter: {"Wechatpay-Serial": "PUB_KEY_ID_0000000000000000000000000001"},
    "no signature": lambda letter: {"Wechatpay-Signature": None},
    "a probe": lambda letter: {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + letter[0]["Wechatpay-Signature"]},
    "another algorithm": lambda letter: {"Wechatpay-Signature-Type": "WECHATPAY2-SHA256-SM2"},
    "an empty body": lambda letter: {"body": b"{}"},
    "no JSON": lambda letter: {"body": b"<xml><return_code>SUCCESS</return_code></xml>"},
    "too much": lambda letter: {"body": b"{" + b" " * 70_000 + b"}"},
    "NUL bytes": lambda letter: {"body": b'{"id": "\x00"}'},
    "no UTF-8": lambda letter: {"body": b'{"id": "\xff\xfe"}'},
    "deep nesting": lambda letter: {"body": b'{"id":' * 9_000},
}


@pytest.mark.django_db
@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("path", [REFUND, PAYMENT])
def test_a_forged_one_is_refused_counted_and_moves_nothing(forgery, path, client, notified, simulator):
    """G13: 4xx, no row but a counter, nothing due, and no call to the channel."""
    _, letter = notified
    before = everything()
    answer = post(client, letter, path, **FORGERIES[forgery](letter))
    assert answer.status_code == 400
    assert answer.json()["code"] == "FAIL"
    assert everything() == before
    assert not ChannelNotification.objects.exists()
    assert RefusedNotification.objects.get().count == 1
    assert post(client, letter, path, **FORGERIES[forgery](letter)).status_code == 400
    assert RefusedNotification.objects.get().count == 2  # a flood fills a counter, not the disk


@pytest.mark.django_db
def test_only_post_and_no_other_kind(client):
    assert client.get(REFUND).status_code == 405
    assert client.post("/notify/wechat/other").status_code == 404


@pytest.mark.django_db
def test_about_a_number_that_is_not_ours_it_is_kept_and_answered(client, notified):
    """Another system under the same merchant number refunds too; it must not be sent to us for ever."""
    _, letter = notified
    from django.db import connection

    with connection.cursor() as cursor:  # as if this database had never known the refund
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE payments_refundattempt SET request_no = 'P0R01'")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    before = everything()
    assert post(client, letter).status_code == 204
    assert everything() == before


# --- over real sockets: the simulator notifies a running server -------------------------------------------------------


@pytest.fixture
def reachable(transactional_db, live_server, settings):
    """The simulator can reach the shop."""
    settings.SITE_URL = live_server.url
    return live_server


def until(holds, what):
    """The simulator's couriers and the server are threads of their own: wait for them, but not for ever."""
    for _ in range(200):
        if holds():
            return
        threading.Event().wait(0.05)
    raise AssertionError(what)


def test_the_notification_alone_makes_it_due(reachable, released, simulator):
    """G15, the other way round: polling is far away, the notification brings the end."""
    refund = released()
    refunding.sweep(at=clock.now())
    clock.advance(-timedelta(days=1))  # nothing falls due by itself
    simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    until(lambda: attempt_of(refund).next_due_at <= clock.now(), "no notification came")
    hear()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert invariants.broken(simulator.ledger()) == []


@pytest.mark.parametrize(
    ("fault", "kept", "refused"),
    [("notification_twice", 1, 0), ("notification_forged", 1, 1), ("notification_signtest", 1, 1),
     ("notification_lost", 0, 0)],
)  # fmt: skip
def test_lost_doubled_and_forged_notifications_change_nothing(fault, kept, refused, reachable, released, simulator):
    refund = released()
    attempt = attempt_of(refund)
    simulator.faults(fault, request_no=attempt.request_no)
    refunding.sweep(at=clock.now())
    simulator.settle(attempt.request_no, "SUCCESS")

    def delivered():
        ours = [row for row in simulator.ledger()["notifications"] if row["number"] == attempt.request_no]
        return ours and all(row["state"] in {"received", "lost"} for row in ours)

    until(delivered, "not delivered")
    notices = ChannelNotification.objects.filter(request_no=attempt.request_no)
    assert notices.count() == kept
    assert sum(row.count for row in RefusedNotification.objects.all()) == refused
    refund.refresh_from_db()
    assert refund.status == Status.PROCESSING
    clock.advance(timedelta(minutes=5))
    hear()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert invariants.broken(simulator.ledger()) == []


def test_fifty_times_the_same_at_once(transactional_db, notified, simulator):
    """G11: all are answered, one is stored, one step is taken."""
    refund, letter = notified
    barrier = threading.Barrier(10)

    def deliver(_):
        barrier.wait(timeout=30)
        try:
            return [post(Client(), letter).status_code for _ in range(5)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = [code for codes in pool.map(deliver, range(10)) for code in codes]
    assert answers == [204] * 50
    assert ChannelNotification.objects.count() == 1
    hear()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert refund.events.filter(step="mark_paid_out").count() == 1
    assert invariants.broken(simulator.ledger()) == []


def test_a_payment_is_found_paid_by_its_notification(reachable, buyer, make_product, simulator):
    import uuid

    payment = charging.checkout(
        make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()
    )
    payment = charging.present(payment, at=clock.now())
    assert payment.status == PaymentStatus.OPEN
    charging.sweep(at=clock.now())
    clock.advance(-timedelta(hours=1))
    simulator.pay(payment.payment_no)
    notices = ChannelNotification.objects.filter(payment_no=payment.payment_no)
    until(notices.exists, "no notification came")
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.OPEN  # a hint only
    assert charging.sweep(at=clock.now()) == 1
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.PAID
    facts = notices.get().facts
    assert "openid" not in json.dumps(facts)  # I15
