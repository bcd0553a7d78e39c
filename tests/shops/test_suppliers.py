"""The wire to a card issuer: only what it signed over our own question is believed."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings

import clock
from shops.suppliers import registry
from shops.suppliers.base import (
    CodeFact,
    NeverSent,
    OutcomeUnknown,
    SupplierBusy,
    SupplierRefused,
    TopUpOrder,
    TopUpState,
)
from shops.suppliers.issuer import Issuer

KEPT_PENDING = "13800009999"


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(**settings.SUPPLIERS["issuer"])


def number() -> str:
    return f"T{uuid.uuid4().hex[:14].upper()}"


def order(topup_no: str, account: str = KEPT_PENDING, sku: str = "phone-50") -> TopUpOrder:
    return TopUpOrder(topup_no, sku, account)


# --- codes


def test_a_code_is_unused_until_it_is_redeemed(issuer, simulator):
    code = f"CODE-{uuid.uuid4()}"
    assert issuer.look_up(code).state is CodeFact.UNUSED
    simulator.post("issuer", code=code, redeemed_at="2026-11-01T10:00:00+08:00", redeemed_by="13912345678")
    answer = issuer.look_up(code)
    assert answer.state is CodeFact.REDEEMED
    assert answer.effective_at == datetime(2026, 11, 1, 2, tzinfo=UTC)


def test_a_code_is_asked_about_without_being_told(issuer):
    """I15: what is stored of the answer names a digest."""
    code = f"CODE-{uuid.uuid4()}"
    assert code not in issuer.look_up(code).signed.body


# --- top-ups


def test_a_top_up_is_carried_out_once_however_often_it_is_sent(issuer, simulator):
    topup_no = number()
    for _ in range(3):
        assert issuer.order(order(topup_no)).state is TopUpState.PENDING
    assert [row["reference"] for row in simulator.ledger()["topups"]].count(topup_no) == 1


def test_how_a_top_up_ends(issuer, simulator):
    done, failed = number(), number()
    for topup_no, state in ((done, "DONE"), (failed, "FAILED")):
        issuer.order(order(topup_no))
        simulator.post("topup", reference=topup_no, state=state)
    arrived = issuer.query(done)
    assert (arrived.state, arrived.effective_at is not None) == (TopUpState.DONE, True)
    assert issuer.query(failed).state is TopUpState.FAILED


def test_what_never_got_there_is_not_found(issuer):
    assert issuer.query(number()).state is TopUpState.NOT_FOUND


def test_a_signed_refusal_is_final_and_comes_with_its_proof(issuer):
    with pytest.raises(SupplierRefused) as refused:
        issuer.order(order(number(), sku="no-such-sku"))
    assert refused.value.signed is not None
    assert issuer.is_genuine(refused.value.signed)


def test_another_content_under_our_number_is_no_refusal(issuer):
    """Something stands there: asking tells what. A refund on this word could pay for what arrives."""
    topup_no = number()
    issuer.order(order(topup_no))
    with pytest.raises(OutcomeUnknown):
        issuer.order(order(topup_no, sku="phone-100"))


def test_too_fast_and_out_of_money_mean_later(issuer, simulator):
    topup_no = number()
    simulator.faults("issuer_429", request_no=topup_no)
    with pytest.raises(SupplierBusy):
        issuer.order(order(topup_no))
    simulator.post("supplier", balance_fen=0)
    try:
        with pytest.raises(SupplierBusy):
            issuer.order(order(number()))
    finally:
        simulator.post("supplier", balance_fen=None)


# --- what is not believed


@pytest.mark.parametrize("fault", ["issuer_lost", "issuer_lost_after", "issuer_500", "issuer_bad_signature"])
def test_whatever_is_no_signed_answer_is_unknown(fault, issuer, simulator):
    """G1, G2, G3, G19 for suppliers."""
    topup_no = number()
    simulator.faults(fault, request_no=topup_no)
    with pytest.raises(OutcomeUnknown):
        issuer.order(order(topup_no))


def test_a_wrong_key_of_ours_is_no_word_about_the_order(issuer):
    """Before the issuer knows who asks it signs nothing, and a 401 by anybody would end a top-up."""
    with pytest.raises(OutcomeUnknown):
        replace(issuer, supplier_key="wrong").order(order(number()))


def test_a_refused_question_says_nothing_about_the_order(issuer):
    with pytest.raises(OutcomeUnknown):
        issuer.query("")


def test_an_old_answer_played_back_is_not_believed(issuer):
    """A recorded "no such top-up" would make us send, a recorded refusal would make us refund."""
    real = issuer.query
    recorded = record_answer(issuer, number())
    with scripted(recorded) as address, pytest.raises(OutcomeUnknown, match="request_nonce"):
        replace(issuer, gateway=f"{address}/issuer").query(number())
    assert real(number()).state is TopUpState.NOT_FOUND


def test_nobody_there_means_that_nothing_left_us(issuer):
    with scripted((200, {}, b"")) as address:
        pass  # its port is free again
    with pytest.raises(NeverSent):
        replace(issuer, gateway=f"{address}/issuer").order(order(number()))


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"state": "DONE"}', b"\xff\xfe"])
def test_an_unsigned_answer_says_nothing(body, issuer):
    with scripted((200, {}, body)) as address, pytest.raises(OutcomeUnknown):
        replace(issuer, gateway=f"{address}/issuer").order(order(number()))


# --- years later


@pytest.mark.django_db
def test_a_kept_answer_proves_itself_and_a_changed_one_does_not(issuer, supplier):
    """S3-17."""
    answer = issuer.look_up("CODE-EVIDENCE")
    row = registry.keep(supplier, answer, about="code:x", at=clock.now())
    assert registry.is_genuine(row)
    for change in ({"body": row.body.replace("unused", "redeemed")}, {"timestamp": "1"}, {"nonce": "0"}):
        forged = registry.keep(supplier, answer, about="code:x", at=clock.now())
        for name, value in change.items():
            setattr(forged, name, value)
        assert not registry.is_genuine(forged)


@pytest.mark.django_db
def test_a_supplier_without_keys_cannot_be_asked(supplier, settings):
    settings.SUPPLIERS = {}
    assert not registry.is_set(supplier)
    with pytest.raises(NeverSent):
        registry.of(supplier)


def test_keys_show_nowhere(issuer):
    assert issuer.supplier_key not in repr(issuer)


# --- a server that answers as told


def record_answer(issuer: Issuer, topup_no: str) -> tuple[int, dict[str, str], bytes]:
    """A genuine, signed answer to another question."""
    signed = issuer.query(topup_no).signed
    headers = {"Issuer-Timestamp": signed.timestamp, "Issuer-Nonce": signed.nonce, "Issuer-Signature": signed.signature}
    assert json.loads(signed.body)["code"] == "TOPUP_NOT_EXIST"
    return 404, headers, signed.body.encode()


@contextmanager
def scripted(answer: tuple[int, dict[str, str], bytes]):
    status, headers, body = answer

    class Says(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
