"""The desk for channels: what waits for a person or for money, the ways out, and the accounts behind them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

import clock
from accounts import desk
from accounts.rights import TABLE
from payments import channels, hearing, outgoing, pacing, refunding
from payments.admin.accounts import remedy
from payments.models import AttemptEvent, AttemptStatus, ChannelAccount, ChannelNotification, Payment, RefundAttempt
from refunds import disbursement
from refunds.models import Status
from tests.desk.conftest import text
from tests.payments.test_found_by_reviews import checkout  # noqa: F401
from tests.payments.test_second_attack import surplus  # noqa: F401

pytestmark = pytest.mark.django_db
ATTEMPTS, ACCOUNTS = "/admin/payments/refundattempt/", "/admin/payments/channelaccount/"


def look() -> None:
    """The machine looks at what is due, a minute later."""
    clock.advance(timedelta(minutes=1))
    refunding.sweep(at=clock.now())
    disbursement.hear(at=clock.now())


def attempt_of(refund) -> RefundAttempt:
    return refund.disbursements.latest("pk").attempt


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def acts_on(page: str) -> set[str]:
    """The acts that a page offers."""
    return set(re.findall(r'hx-get="[^"]*/(\w+)/"', page))


def shown(seat, **query) -> list[str]:
    return [row.request_no for row in seat.get(ATTEMPTS, query_params=query).context["cl"].result_list]


@pytest.fixture
def refused(released, simulator):
    """The merchant gave the money back at the channel's own desk; ours is refused, and does not exist there."""

    def build(**purchase) -> RefundAttempt:
        refund = released(**purchase)
        attempt = attempt_of(refund)
        simulator.post("console_refund", out_trade_no=attempt.payment.payment_no, amount_fen=attempt.amount_fen)
        clock.advance(timedelta(minutes=1))
        simulator.clock(2)
        look()
        attempt.refresh_from_db()
        assert (attempt.status, attempt.refused_at is None) == (AttemptStatus.HELD, False)
        return attempt

    return build


@pytest.fixture
def unanswered(released, simulator):
    """Nobody knows whether it was made: forty times no answer."""

    def build() -> RefundAttempt:
        attempt = attempt_of(released())
        simulator.faults("request_lost", request_no=attempt.request_no, times=10**6)
        for _ in range(hearing.MOST_TRIES):
            clock.advance(timedelta(minutes=11))
            look()
        simulator.post("faults", clear=True)
        clock.advance(timedelta(minutes=3))  # so many failing calls have used up the account's budget
        attempt.refresh_from_db()
        assert (attempt.status, attempt.refused_at) == (AttemptStatus.HELD, None)
        return attempt

    return build


@pytest.fixture
def short(released, simulator, settings):
    """Refunds of an account that has no money: the first was refused for that, the others were never sent."""

    def build(*prices_fen: int) -> list[RefundAttempt]:
        settings.TIME_SCALE = 1.0  # the next probe is ten minutes away, however slow this machine is
        clock.advance(timedelta(seconds=1))  # whatever budget earlier calls have used up
        attempts = [attempt_of(released(price_fen=prices_fen[0]))]
        simulator.faults("not_enough", request_no=attempts[0].request_no)
        refunding.sweep(at=clock.now())
        attempts += [attempt_of(released(price_fen=price)) for price in prices_fen[1:]]
        clock.advance(timedelta(seconds=1))
        refunding.sweep(at=clock.now())
        for attempt in attempts:
            attempt.refresh_from_db()
        assert {attempt.status for attempt in attempts} == {AttemptStatus.WAITING_FUNDS}
        return attempts

    return build


@pytest.fixture
def returned(released, ends_as):
    """The buyer's account did not take it."""

    def build(order=None) -> RefundAttempt:
        return attempt_of(ends_as(released(order), "ABNORMAL"))

    return build


# --- the queues -------------------------------------------------------------------------------------------------------


def test_each_tab_shows_what_waits_there_the_oldest_first(sits, finance, refused, returned, short, released, ends_as):
    done = attempt_of(ends_as(released(), "SUCCESS"))
    abnormal, held = returned(), refused()
    first, second = short(1500, 2300)
    RefundAttempt.objects.filter(pk=second.pk).update(attention="funds")
    seat = sits(finance)
    assert shown(seat, queue="held") == [held.request_no]
    assert shown(seat, queue="funds") == [first.request_no, second.request_no]
    assert shown(seat, queue="follow") == [second.request_no]
    assert shown(seat, queue="returned") == [abnormal.request_no]
    newest_first = [attempt.request_no for attempt in (second, first, held, abnormal, done)]
    assert shown(seat) == shown(seat, queue="nonsense") == newest_first
    assert shown(seat, q=second.request_no.lower()) == [second.request_no]
    tabs = {tab["title"]: tab.get("count") for tab in seat.get(ATTEMPTS).context["tabs"]}
    assert tabs == {"待人工": 1, "等待余额": 2, "请人工跟进": 1, "退款异常": 1, "多收未退": 0, "全部": None}
    assert "商户余额不足超过 3 天" in text(seat.get(f"{ATTEMPTS}?queue=follow"))


def test_counts_go_no_further_than_a_list(sits, finance, short, monkeypatch):
    short(1500, 2300, 3100)
    monkeypatch.setattr("payments.admin.attempts.MOST_COUNTED", 2)
    with CaptureQueriesContext(connection) as captured:
        page = text(sits(finance).get(ATTEMPTS))
    assert ">2+<" in page
    counting = [query["sql"] for query in captured if "COUNT(" in query["sql"] and "refundattempt" in query["sql"]]
    assert len(counting) >= 4
    assert all("LIMIT" in sql for sql in counting)


def test_lists_and_start_page_ask_no_more_when_more_waits(sits, finance, short, refused):
    def counts() -> list[int]:
        found = []
        for path in (ATTEMPTS, f"{ATTEMPTS}?queue=funds", ACCOUNTS, f"{ACCOUNTS}?state=short", "/admin/"):
            with CaptureQueriesContext(connection) as captured:
                text(seat.get(path))
            found.append(len(captured))
        return found

    seat = sits(finance)
    short(1500)
    counts()
    few = counts()
    short(1600, 2400, 3200)
    for number in range(3):
        ChannelAccount.objects.create(
            code=f"alipay-{number}", channel="alipay", name=f"支付宝 {number}", shop=None, trouble="NO_AUTH: 无权限",
            trouble_at=clock.now(),
        )  # fmt: skip
    assert counts() == few
    assert few[-1] <= 23  # the day of finance, a query or two for each of its parts, and the forecast


# --- an attempt's page ------------------------------------------------------------------------------------------------


def test_the_page_tells_what_became_of_it_and_who_did_what(sits, finance, refused):
    attempt = refused()
    seat = sits(finance)
    seat.does("ask_again_one", attempt)
    look()
    page = text(seat.get(page_of(attempt)))
    changes = [(event.get_from_status_display(), event.get_to_status_display()) for event, _, _ in
               seat.get(page_of(attempt)).context["events"]]  # fmt: skip
    assert [became for _, became in changes] == ["待人工", "结果未知", "待人工"]  # the newest first
    assert changes[1] == ("待人工", "结果未知")
    for fact in ("再次询问渠道", "finance", "渠道拒绝", attempt.last_error, "渠道预计到账", "银行入账时间", "改退至"):
        assert fact in page, fact
    attempt.refresh_from_db()
    assert attempt.events.latest("pk").code in page


def test_a_long_history_is_shown_from_its_end(sits, finance, refused, monkeypatch):
    attempt = refused()
    AttemptEvent.objects.bulk_create(
        AttemptEvent(attempt=attempt, at=clock.now(), from_status="unknown", to_status="held", note=f"第{number}次")
        for number in range(60)
    )
    page = text(sits(finance).get(page_of(attempt)))
    assert "只列出最近 50 条" in page
    assert "第59次" in page
    assert "第9次" not in page


def test_only_what_the_row_and_the_role_allow_is_offered(sits, finance, operator, refused, unanswered, returned):
    clear, unsure, abnormal = refused(), unanswered(), returned()
    seat = sits(finance)
    assert acts_on(text(seat.get(page_of(clear)))) == {"ask_again_one", "close_refused"}
    assert acts_on(text(seat.get(page_of(unsure)))) == {"ask_again_one"}
    assert "结果未定，不能关闭" in text(seat.get(page_of(unsure)))
    assert acts_on(text(seat.get(page_of(abnormal)))) == {"send_back"}
    for attempt in (clear, unsure, abnormal):
        assert acts_on(text(sits(operator).get(page_of(attempt)))) == set()


# --- ways out ---------------------------------------------------------------------------------------------------------


def test_what_the_channel_refused_is_closed_and_released_anew(sits, finance, refused):
    """G7: the reserve is free, and only a person's step opens a new number."""
    attempt = refused()
    case = attempt.disbursement.refund
    seat = sits(finance)
    dialog = text(seat.dialog("close_refused", attempt))
    assert "这个单号作废，占用的金额释放" in dialog
    assert "重新原路退款" in dialog

    assert "已关闭，占用已释放" in seat.reads(seat.does("close_refused", attempt))

    attempt.refresh_from_db()
    assert (attempt.status, attempt.payment.reserved_fen) == (AttemptStatus.CLOSED, 0)
    assert attempt.events.latest("pk").by == finance
    assert LogEntry.objects.get().get_change_message() == "按渠道拒绝关闭"
    disbursement.hear(at=clock.now())
    case.refresh_from_db()
    assert case.status == Status.RETURNED
    assert "可再次放款" in seat.reads(seat.does("reissue", case))
    assert "finance已处理，这笔渠道退款现为“退款关闭”" in text(seat.dialog("close_refused", attempt))
    seat.does("close_refused", attempt)
    assert LogEntry.objects.count() == 1


def test_what_may_have_been_paid_is_not_closed_by_hand(sits, finance, unanswered, simulator):
    attempt = unanswered()
    seat = sits(finance)
    assert "结果未定，不能关闭" in text(seat.dialog("close_refused", attempt))
    seat.does("close_refused", attempt)
    attempt.refresh_from_db()
    assert (attempt.status, attempt.payment.reserved_fen) == (AttemptStatus.HELD, attempt.amount_fen)


def test_an_abnormal_refund_goes_back_to_the_merchant_and_the_buyer_is_not_called_paid(
    sits, finance, returned, simulator, buy_by_card
):
    """G8: the number ends, the case stays with finance, and a new number may follow."""
    attempt = returned(buy_by_card())
    seat = sits(finance)
    case = text(seat.get(page_of(attempt.disbursement.refund)))
    assert f"{attempt.request_no}</a>，不能重新发放。先等买家在退款单上选择去向" in case
    assert "点“退回商户账户”" in case
    assert "点“退回商户账户”" in text(seat.dialog("reissue", attempt.disbursement.refund))
    RefundAttempt.objects.filter(pk=attempt.pk).update(accepted_at=clock.now() - timedelta(days=6))
    assert acts_on(case) & {"reissue"} == set()  # a button that can only refuse helps nobody
    dialog = text(seat.dialog("send_back", attempt))
    assert "买家不会因此收到钱" in dialog
    assert "重新原路退款" in dialog

    assert "买家没有收到这笔钱" in seat.reads(seat.does("send_back", attempt))

    attempt.refresh_from_db()
    assert (attempt.status, attempt.redirect_to) == (AttemptStatus.UNKNOWN, "merchant")
    assert "已决定改退至：退回商户账户" in text(seat.get(page_of(attempt)))
    look()
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.ACCEPTED, attempt.last_error
    assert attempt.attention == ""  # five days count from when it was sent on
    simulator.settle(attempt.request_no, "SUCCESS")
    look()
    look()
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.BACK_WITH_MERCHANT
    case = attempt.disbursement.refund
    case.refresh_from_db()
    assert case.status == Status.RETURNED
    assert "买家没有收到" in text(seat.get(page_of(attempt)))
    assert "可再次放款" in seat.reads(seat.does("reissue", case))


def test_only_wechat_sends_back_to_the_merchant(sits, finance, returned):
    attempt = returned()
    ChannelAccount.objects.filter(pk=attempt.payment.account_id).update(channel="alipay")
    seat = sits(finance)
    assert "支付宝没有这个办法" in text(seat.dialog("send_back", attempt))
    seat.does("send_back", attempt)
    attempt.refresh_from_db()
    assert (attempt.status, attempt.redirect_to) == (AttemptStatus.RETURNED, "")
    assert acts_on(text(seat.get(page_of(attempt)))) == set()


def test_a_surplus_that_came_to_nothing_is_given_back_anew(sits, finance, operator, surplus, simulator):  # noqa: F811
    """PM13, I4: no case would ever tell anybody of it."""
    payment, attempt = surplus
    simulator.settle(attempt.request_no, "CLOSED")
    look()
    seat = sits(finance)
    assert shown(seat, queue="surplus") == [attempt.request_no]
    page = text(seat.get(page_of(attempt)))
    assert "背后没有退款单" in page
    assert acts_on(page) == {"give_back"}
    assert acts_on(text(sits(operator).get(page_of(attempt)))) == set()

    assert "将以新的单号" in text(seat.dialog("give_back", attempt))
    assert "正在以新的单号原路退回" in seat.reads(seat.does("give_back", attempt))

    second = payment.attempts.latest("pk")
    assert (second.request_no, second.amount_fen) == (f"{payment.payment_no}R02", payment.amount_fen)
    assert second.events.get().by == finance
    assert shown(seat, queue="surplus") == []
    assert "您的操作没有执行" in text(seat.dialog("give_back", attempt))  # a colleague who comes later


@pytest.mark.parametrize("act", ["close_refused", "send_back"])
def test_a_decision_that_comes_too_late_says_so(act, sits, finance, refused, returned, monkeypatch):
    """P2: between the form and its lock the row went on."""
    attempt = refused() if act == "close_refused" else returned()
    seat = sits(finance)

    def meanwhile(*_, **__) -> int:
        RefundAttempt.objects.filter(pk=attempt.pk).update(status=AttemptStatus.ACCEPTED, next_due_at=clock.now())
        return 0

    monkeypatch.setattr("payments.by_hand._decide", meanwhile)
    assert "现为“渠道已受理”，您的操作没有执行" in seat.reads(seat.does(act, attempt))
    assert not LogEntry.objects.exists()


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_an_account_without_money_says_how_much_it_needs_and_goes_on_once_topped_up(
    sits, finance, operator, short, drain
):
    """PM15: each refund goes on under its own number."""
    attempts = short(1500, 2300, 3100)
    account = attempts[0].payment.account
    seat = sits(finance)
    for path in (ACCOUNTS, f"{ACCOUNTS}?state=short", page_of(account)):
        page = text(seat.get(path))
        assert "3 笔 ¥69.00" in page, path
    assert f"queue=funds&amp;payment__account__id__exact={account.pk}" in page
    assert shown(seat, queue="funds", payment__account__id__exact=account.pk) == [row.request_no for row in attempts]
    assert "topped_up" in acts_on(page)
    assert "topped_up" not in acts_on(text(sits(operator).get(page_of(account))))
    assert "余额不足：没有发送过的仍会等待" in text(seat.dialog("ask_again", chosen=attempts))
    dialog = text(seat.dialog("topped_up", account))
    assert "¥69.00" in dialog
    assert "出款现在停止" not in dialog

    assert "3 笔退款将以原单号继续发送。渠道仍说" in seat.reads(seat.does("topped_up", account))

    assert "已充值，继续发送 3 笔" in LogEntry.objects.get().get_change_message()
    assert all(attempt.events.latest("pk").by == finance for attempt in attempts)
    drain()
    assert set(RefundAttempt.objects.values_list("status", flat=True)) == {AttemptStatus.SUCCEEDED}
    assert "没有等待余额的退款" in text(seat.dialog("topped_up", account))
    assert "topped_up" not in acts_on(text(seat.get(page_of(account))))


def test_what_is_topped_up_while_money_is_stopped_says_that_it_waits(sits, finance, operator, short):
    account, seat = short(1500)[0].payment.account, sits(finance)
    account.refresh_from_db()
    probe = f"{timezone.localtime(account.probe_from):%m-%d %H:%M:%S}"
    page = text(seat.get(page_of(account)))
    assert (probe in page, "恢复出款以后" in page) == (True, False)
    outgoing.stop(by=operator, reason="先停再查。", at=clock.now())
    page = text(seat.get(page_of(account)))
    assert (probe in page, "恢复出款以后" in page) == (False, True)
    assert "出款现在停止" in text(seat.dialog("topped_up", account))
    assert "先停再查。恢复出款以后才会发出。" in seat.reads(seat.does("topped_up", account))


def test_an_operator_stops_and_starts_collecting(sits, finance, operator, buy):
    account = buy().payments.get().account
    seat = sits(operator)
    assert "stop_collecting" in acts_on(text(seat.get(page_of(account))))
    assert sits(finance).does("stop_collecting", account).status_code == 403
    assert "新订单只能用" in text(seat.dialog("stop_collecting", account))
    ChannelAccount.objects.exclude(pk=account.pk).update(is_open=False)
    assert "买家将无法付款" in text(seat.dialog("stop_collecting", account))

    assert "已暂停收款" in seat.reads(seat.does("stop_collecting", account))

    assert channels.offered() == []
    assert "已经暂停收款" in text(seat.dialog("stop_collecting", account))
    assert [row.pk for row in seat.get(f"{ACCOUNTS}?state=closed").context["cl"].result_list].count(account.pk) == 1
    seat.does("start_collecting", account)
    assert [offer.account_code for offer in channels.offered()] == [account.code]
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == ["暂停收款", "恢复收款"]


@pytest.mark.parametrize(
    ("days", "calls", "complaint"),
    [
        ("0", "", "1 到 365"),
        ("366", "", "1 到 365"),
        ("", "0", "1 到 150"),
        ("", "151", "1 到 150"),
        ("三", "", "整数"),
    ],
)
def test_limits_have_bounds(days, calls, complaint, sits, operator, buy):
    account = buy().payments.get().account
    answer = sits(operator).does("set_limits", account, refundable_days=days, calls_per_second=calls)
    assert complaint in text(answer)
    account.refresh_from_db()
    assert (account.refundable_days, account.calls_per_second) == (None, None)


def test_an_operator_keeps_the_limits_of_a_contract(sits, finance, operator, buy):
    account = buy().payments.get().account
    seat = sits(operator)
    assert sits(finance).does("set_limits", account, refundable_days="30").status_code == 403
    assert "150 次（渠道通用）" in text(seat.get(page_of(account)))
    page = seat.reads(seat.does("set_limits", account, refundable_days="180", calls_per_second="20"))
    assert "可退天数 渠道通用 → 180；每秒调用上限 渠道通用 → 20" in page
    account.refresh_from_db()
    limits = channels.limits(account)
    assert (limits.refundable_days, limits.calls_per_second) == (180, 20)
    assert 'value="180"' in text(seat.dialog("set_limits", account))
    assert "没有改动" in seat.reads(seat.does("set_limits", account, refundable_days="180", calls_per_second="20"))
    seat.does("set_limits", account, refundable_days="", calls_per_second="20")
    account.refresh_from_db()
    assert (account.refundable_days, account.calls_per_second) == (None, 20)
    assert LogEntry.objects.count() == 2


def test_trouble_tells_what_to_do_and_never_a_key(sits, finance, operator, released, settings):
    attempt = attempt_of(released())
    account = attempt.payment.account
    pacing.charge_failures([(attempt, refunding.GatewayMisconfigured("SIGN_ERROR", "签名错误"))], at=clock.now())
    for person in (finance, operator):
        seat = sits(person)
        page = text(seat.get(page_of(account)))
        for words in ("请核对商户私钥与证书序列号", "SIGN_ERROR: 签名错误", "暂停调用"):
            assert words in page
            assert "请核对商户私钥与证书序列号" in text(seat.get(f"{ACCOUNTS}?state=trouble"))
    ChannelAccount.objects.filter(pk=account.pk).update(credentials=b"sealed-secret", credentials_key_id="key-7")
    for path in (ACCOUNTS, page_of(account)):
        page = text(sits(operator).get(path))
        for secret in ("sealed-secret", "key-7", settings.WECHAT["apiv3_key"]):
            assert secret not in page


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("SIGN_ERROR: x", "商户私钥"), ("isv.invalid-signature: x", "应用私钥"), ("NO_AUTH", "开通产品权限"),
        ("isv.insufficient-isv-permissions: x", "签约"), ("credentials: mchid is empty", "重启服务"),
        ("40003: Insufficient Conditions", "逐项核对"),
    ],
)  # fmt: skip
def test_every_trouble_has_its_remedy(trouble, words):
    assert words in remedy(trouble)


# --- the start page, payments, notifications --------------------------------------------------------------------------


def test_the_start_page_tells_operators_what_the_accounts_lack(sits, staff, short):
    account = short(1500, 2300)[0].payment.account
    ChannelAccount.objects.filter(pk=account.pk).update(trouble="NO_AUTH: 无权限", trouble_at=clock.now())
    for role, person in staff.items():
        if role == "finance":
            continue  # reads it in the order of its day: test_finance_day.py
        rows = sits(person).get("/admin/").context["tile_rows"]
        tiles = {tile.title: tile for _, _, row in rows for tile in row}
        if role not in TABLE["payments.channelaccount"].see:
            assert "等待商户余额" not in tiles
            assert "渠道故障" not in tiles
            continue
        waiting, trouble = tiles["等待商户余额"], tiles["渠道故障"]
        assert (waiting.count, waiting.hint) == (2, f"{account.name} ¥38.00，请充值")
        assert len(shown(sits(person), **dict([waiting.url.split("?")[1].split("=")]))) == 2
        assert (trouble.count, trouble.hint) == (1, account.name)
        assert [row.pk for row in sits(person).get(trouble.url).context["cl"].result_list] == [account.pk]


def test_the_start_page_tells_whose_surplus_still_lies_with_us(sits, staff, surplus, simulator):  # noqa: F811
    """I4, PM13: without a case behind it, this number is the only one that tells of it."""
    payment, attempt = surplus

    def tile_of(role: str):
        rows = sits(staff[role]).get("/admin/").context["tile_rows"]
        return next((tile for _, _, row in rows for tile in row if tile.title == "多收未退"), None)

    assert (tile_of("operator").count, tile_of("operator").hint) == (0, "多收的款项都已退回")
    simulator.settle(attempt.request_no, "CLOSED")
    look()
    clock.advance(timedelta(days=3))
    for role in staff.keys() - {"finance"}:  # which reads it in the order of its day
        tile = tile_of(role)
        if role not in TABLE["payments.refundattempt"].see:
            assert tile is None
            continue
        assert (tile.count, tile.hint) == (1, "最早一笔已收 3 天，请再次退回")
        assert [row.pk for row in sits(staff[role]).get(tile.url).context["cl"].result_list] == [attempt.pk]
    sits(staff["finance"]).does("give_back", attempt)
    assert tile_of("operator").count == 0


def test_money_refunded_outside_us_stands_out(sits, finance, buy):
    """G21."""
    payment = buy(price_fen=5000).payments.get()
    seat = sits(finance)
    assert "渠道侧已退 ¥" not in text(seat.get("/admin/payments/payment/"))
    Payment.objects.filter(pk=payment.pk).update(external_fen=1200)
    for path in ("/admin/payments/payment/", "/admin/payments/payment/?outside=yes", page_of(payment)):
        assert '<span class="desk-badge desk-badge--bad">渠道侧已退 ¥12.00</span>' in text(seat.get(path)), path
    page = text(seat.get(page_of(payment)))
    for fact in ("微信支付", "扫码", "首次发送"):
        assert fact in page


def test_a_complaint_is_found_by_its_number(sits, operator, buy):
    account = buy().payments.get().account
    number = "200201820200101080076610000"
    row = ChannelNotification.objects.create(
        account=account, notification_id="N7", kind="complaint", complaint_id=number, received_at=clock.now()
    )
    seat = sits(operator)
    assert number in text(seat.get("/admin/payments/channelnotification/"))
    found = seat.get(f"/admin/payments/channelnotification/?q={number}").context["cl"].result_list
    assert [each.pk for each in found] == [row.pk]
    assert number in text(seat.get(page_of(row)))


def test_a_number_field_is_checked_by_the_server():
    field = desk.number_field(least=1, most=3, label="数")
    assert field.clean("") is None
    assert field.clean("3") == 3
