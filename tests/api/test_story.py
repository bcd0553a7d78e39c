"""A refund lived through the API alone, and every refusal on the way."""

from __future__ import annotations

import io

import pytest

from refunds.models import Refund, Status

pytestmark = pytest.mark.django_db


@pytest.fixture
def in_review(buy, reveal, apply):
    """A refund of 88 yuan that a reviewer must look at."""
    order = buy(price_fen=8800)
    reveal(order)
    return apply(order, contact="13800000000")


def test_a_refund_lives_from_order_to_arrival(api, buy, reveal, buyer, reviewer, finance, drain, screenshot):
    order = buy(price_fen=8800)
    (text,) = reveal(order)
    me, support, money = api(buyer), api(reviewer), api(finance)

    found = me.get("/api/orders/").json()["results"]
    assert [row["order_no"] for row in found] == [order.order_no]
    page = me.get(f"/api/orders/{order.order_no}/")
    assert (page.json()["refundable_fen"], page.json()["lines"][0]["code_state"]) == (8800, "revealed")
    assert page.json()["payments"][0]["status"] == "paid"
    assert text not in page.content.decode()
    verdict = me.get(f"/api/orders/{order.order_no}/eligibility/", reason="invalid_code").json()
    assert (verdict["eligible"], verdict["next_step"], verdict["active_refund_no"]) == (True, "send_to_review", None)

    answer = me.post(
        "/api/refunds/", {"order_no": order.order_no, "reason": "invalid_code", "description": "提示已使用"}
    )
    assert answer.status_code == 201
    path = answer["Location"].removeprefix("http://testserver")
    assert me.get(path).json()["amount_fen"] == 8800
    drain()

    assert support.post(f"{path}steps/request_evidence/", {"note": "请补充报错截图"}).status_code == 200
    waiting = me.get(path).json()
    assert (waiting["evidence_request"], waiting["track"]["who"]) == ("请补充报错截图", "买家")
    assert "provide_evidence" in waiting["allowed_steps"]
    image = io.BytesIO(screenshot)
    image.name = "../报错.png"
    added = me.upload(f"{path}evidence/", note="见图", image=image)
    assert added.status_code == 201, added.content
    picture_url = next(row["image_url"] for row in added.json()["evidence"] if row["image_url"])
    picture = me.get(picture_url)
    assert picture["Content-Type"] == "image/jpeg"
    assert picture["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert b"".join(picture.streaming_content).startswith(b"\xff\xd8")

    assert support.post(f"{path}steps/approve/").json()["status"] == "approved"
    released = money.post("/api/refunds/release/", {"refund_nos": [answer.json()["refund_no"], "R00000000000000"]})
    assert [line["result"] for line in released.json()["results"]] == ["sent", "not_found"]
    drain()

    arrived = me.get(path).json()
    assert (arrived["status"], arrived["track"]["tone"]) == ("arrived", "good")
    assert [(row["status"], row["amount_fen"]) for row in arrived["attempts"]] == [("succeeded", 8800)]
    assert [event["step"] for event in arrived["events"]][-1] == "confirm_arrival"
    assert arrived["pre_check"]["verdict"] == "send_to_review"
    assert text not in me.get(path).content.decode()


def test_a_second_application_is_told_where_the_first_is(api, in_review, buyer):
    answer = api(buyer).post("/api/refunds/", {"order_no": in_review.order.order_no, "reason": "late"})
    assert answer.status_code == 409
    body = answer.json()
    assert (body["code"], body["refund_no"]) == ("already_active", in_review.refund_no)
    assert body["url"].endswith(f"/api/refunds/{in_review.refund_no}/")
    assert answer["Content-Type"] == "application/problem+json"
    assert Refund.objects.count() == 1


def test_a_step_out_of_turn_says_what_the_case_is_now(api, in_review, reviewer, buyer):
    path = f"/api/refunds/{in_review.refund_no}/steps"
    assert api(buyer).post(f"{path}/withdraw/").json()["status"] == "withdrawn"
    late = api(reviewer).post(f"{path}/approve/")
    assert (late.status_code, late.json()["code"]) == (409, "wrong_status")
    assert "已撤销" in late.json()["detail"]
    assert "read it again" in late.json()["detail_en"]


@pytest.mark.parametrize(
    ("step", "body", "status", "code"),
    [
        ("reject", {}, 400, "invalid"),
        ("reject", {"note": "  "}, 400, "invalid"),
        ("reject", {"note": "理由", "status": "approved"}, 400, "invalid"),
        ("approve", {"by": 1}, 400, "invalid"),
        ("disburse", {}, 403, "not_yours"),
        ("withdraw", {}, 403, "not_yours"),
        ("auto_approve", {}, 404, "no_such_step"),
        ("mark_paid_out", {}, 404, "no_such_step"),
        ("open_case", {}, 404, "no_such_step"),
        ("_step", {}, 404, "no_such_step"),
    ],
)
def test_what_a_reviewer_cannot_do(api, in_review, reviewer, step, body, status, code):
    answer = api(reviewer).post(f"/api/refunds/{in_review.refund_no}/steps/{step}/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    in_review.refresh_from_db()
    assert in_review.status == Status.FIRST_REVIEW


def test_evidence_nobody_asked_for_is_refused_with_a_way_on(api, in_review, buyer, reviewer, screenshot):
    path = f"/api/refunds/{in_review.refund_no}/evidence/"
    answer = api(buyer).upload(path, image=io.BytesIO(screenshot))
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence_not_asked")
    assert "客服要求补充材料时会通知您" in answer.json()["detail"]
    assert api(reviewer).upload(path, note="我替买家说").status_code == 403
    assert not in_review.evidence.exists()


def test_evidence_that_is_no_picture_changes_nothing(api, in_review, buyer, reviewer):
    case = f"/api/refunds/{in_review.refund_no}"
    api(reviewer).post(f"{case}/steps/request_evidence/", {"note": "请补充"})
    sham = io.BytesIO(b"GIF89a<script>")
    sham.name = "a.jpg"
    answer = api(buyer).upload(f"{case}/evidence/", image=sham)
    assert (answer.status_code, answer.json()["code"]) == (400, "unusable_image")
    assert "JPG" in answer.json()["fields"]["image"][0]
    assert api(buyer).upload(f"{case}/evidence/").json()["code"] == "evidence_is_empty"
    assert api(buyer).upload(f"{case}/evidence/", note="说明", status="approved").json()["fields"].keys() == {"status"}
    in_review.refresh_from_db()
    assert (in_review.status, in_review.evidence.count()) == (Status.AWAITING_EVIDENCE, 0)


def test_a_part_of_an_order_is_refunded_and_the_rest_stays_refundable(api, buy, buyer, drain):
    order = buy(price_fen=1000, quantity=3)
    path = f"/api/orders/{order.order_no}/"
    first = api(buyer).get(path).json()["lines"][0]["id"]
    asked = {"order_no": order.order_no, "reason": "changed_mind", "line_ids": [first], "amount_fen": 1000}
    answer = api(buyer).post("/api/refunds/", asked)
    assert answer.json()["lines"] == [{"line_id": first, "product_name": "点卡 1000", "amount_fen": 1000}]
    drain()
    page = api(buyer).get(path).json()
    assert [line["refundable_fen"] for line in page["lines"]] == [0, 1000, 1000]
    assert (page["refundable_fen"], page["refunds"][0]["status"]) == (2000, "arrived")
    again = api(buyer).post("/api/refunds/", asked)
    assert (again.status_code, again.json()["fields"].keys()) == (400, {"line_ids"})


def test_the_caller_says_where_the_money_goes_and_is_told_what_it_costs(api, buy, buyer):
    """S1-23, S1-15: the same at eligibility and when asking; without a word it is the original route."""
    order = buy(price_fen=8800, balance_fee_percent=2)
    query = f"/api/orders/{order.order_no}/eligibility/?reason=changed_mind"
    assert api(buyer).get(query).json()["fee_fen"] == 0
    said = api(buyer).get(f"{query}&destination=balance").json()
    assert (said["asked_fen"], said["fee_fen"], said["refund_fen"]) == (8800, 176, 8624)
    asked = {"order_no": order.order_no, "reason": "changed_mind", "destination": "balance"}
    wrong = api(buyer).post("/api/refunds/", asked | {"destination": "cash"})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["destination"])
    made = api(buyer).post("/api/refunds/", asked).json()
    assert (made["destination"], made["amount_fen"], made["fee_fen"]) == ("balance", 8624, 176)
    other = buy(price_fen=8800)
    made = api(buyer).post("/api/refunds/", {"order_no": other.order_no, "reason": "changed_mind"}).json()
    assert (made["destination"], made["fee_fen"]) == ("original", 0)


def test_a_release_does_every_line_or_says_why_not(api, buy, reveal, apply, reviewer, senior, finance):
    cases = []
    for _ in range(3):
        order = buy(price_fen=8800)
        reveal(order)
        cases.append(apply(order))
    for case in cases[:2]:
        api(reviewer).post(f"/api/refunds/{case.refund_no}/steps/approve/")
    numbers = [case.refund_no for case in cases]
    answer = api(finance).post("/api/refunds/release/", {"refund_nos": [*numbers, numbers[0]]})
    assert [(line["result"], line["code"]) for line in answer.json()["results"]] == [
        ("sent", ""),
        ("sent", ""),
        ("refused", "wrong_status"),
    ]
    assert api(senior).post("/api/refunds/release/", {"refund_nos": numbers}).status_code == 403


def test_what_the_channel_would_refuse_is_set_aside_by_finance_alone(api, buy, reveal, apply, buyer, reviewer, finance):
    """Nobody else can push a case to RETURNED by asking for a release that the channel would refuse."""
    order = buy(price_fen=8800)
    reveal(order)
    case = apply(order)
    api(reviewer).post(f"/api/refunds/{case.refund_no}/steps/approve/")
    order.payments.update(last_attempt_index=50)  # as many as WeChat Pay allows
    for person in (buyer, reviewer):
        answer = api(person).post(f"/api/refunds/{case.refund_no}/steps/disburse/")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    case.refresh_from_db()
    assert case.status == Status.APPROVED
    released = api(finance).post("/api/refunds/release/", {"refund_nos": [case.refund_no]}).json()["results"]
    assert released[0]["result"] == "set_aside"
    assert "50 次" in released[0]["detail"]


def test_the_shop_sees_its_cases_without_the_buyers_number(api, in_review, merchant):
    (row,) = api(merchant).get("/api/refunds/").json()["results"]
    assert (row["refund_no"], row["allowed_steps"]) == (in_review.refund_no, [])
    assert api(merchant).get(f"/api/refunds/{in_review.refund_no}/").json()["contact"] == ""


def test_staff_filter_their_queue(api, in_review, buy, apply, reviewer):
    apply(buy(price_fen=3000, stock=0), reason="undelivered")
    listed = api(reviewer).get("/api/refunds/", queue="reviewer", status="first_review").json()["results"]
    assert [row["refund_no"] for row in listed] == [in_review.refund_no]
    assert len(api(reviewer).get("/api/refunds/").json()["results"]) == 2
    wrong = api(reviewer).get("/api/refunds/", status="gone")
    assert (wrong.status_code, wrong.json()["fields"].keys()) == (400, {"status"})


def test_a_reviewers_own_case_is_the_buyers_and_nothing_else(api, buy, reveal, apply, reviewer):
    """I10: who asked never decides."""
    order = buy(price_fen=8800, by=reviewer)
    reveal(order)
    case = apply(order)
    path = f"/api/refunds/{case.refund_no}/"
    assert api(reviewer).get(path).json()["allowed_steps"] == ["withdraw"]
    assert api(reviewer).post(f"{path}steps/approve/").status_code == 403


def test_a_suspicion_stays_among_colleagues(api, in_review, buyer, reviewer, senior):
    """The desk promises: 同事可见；买家只会看到“正在复核，暂缓放款”."""
    path = f"/api/refunds/{in_review.refund_no}/"
    api(reviewer).post(f"{path}steps/approve/", {"note": "兑换记录显示未使用"})
    assert api(senior).post(f"{path}steps/halt/", {"note": "疑似盗号"}).status_code == 200
    assert "疑似盗号" not in api(buyer).get(path).content.decode()
    assert "疑似盗号" in api(reviewer).get(path).content.decode()


def test_what_the_form_does_not_offer_the_api_refuses(api, buy, buyer):
    """The same function answers both; the answer says which field, and in both languages what to do."""
    order = buy(price_fen=3000)
    me = api(buyer)
    asked = {"order_no": order.order_no, "reason": "wrong_top_up"}
    for answer in [
        me.post("/api/refunds/", asked),
        me.get(f"/api/orders/{order.order_no}/eligibility/", reason="wrong_top_up"),
    ]:
        assert answer.status_code == 400
        body = answer.json()
        assert body["code"] == "reason_does_not_fit"
        assert body["detail"] == "“充值错误（号码 / 区服）”不适用于这类商品，请另选原因。"
        assert "choose another" in body["detail_en"]
        assert list(body["fields"]) == ["reason"]
    assert me.post("/api/refunds/", asked | {"reason": "changed_mind"}).status_code == 201


def test_a_picture_added_by_a_program_says_what_it_is_for(api, in_review, buyer, reviewer, screenshot):
    """S2-25."""
    path = f"/api/refunds/{in_review.refund_no}/"
    me = api(buyer)
    (missing,) = me.get(path).json()["missing_slots"]
    api(reviewer).post(f"{path}steps/request_evidence/", {"note": "请补充"})
    assert me.upload(f"{path}evidence/", note="见图", slot="no_such_slot").json()["fields"].keys() == {"slot"}
    image = io.BytesIO(screenshot)
    image.name = "a.png"
    assert me.upload(f"{path}evidence/", note="见图", slot=missing["slot"]).json()["fields"].keys() == {"slot"}
    added = me.upload(f"{path}evidence/", image=image, slot=missing["slot"]).json()
    assert [row["slot"] for row in added["evidence"]] == [missing["slot"]]
    assert added["missing_slots"] == []
