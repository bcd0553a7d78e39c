"""What everybody can read of the record, and what those of an order can take home and check without us."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import clock
from orders import history
from orders.models import OrderStep
from records import chain, roots
from records.models import DailyRoot
from refunds import order_record
from refunds.lifecycle import STEPS
from shops.models import CodeEvent
from tests.records.owner import behind_our_back

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(buy, reveal, apply, days_ago):
    """An order of two, seen and asked back, in the root of yesterday; today it got one event more."""
    order = buy(quantity=2)
    texts = reveal(order)
    apply(order)
    days_ago(1)
    roots.publish(at=roots.now())
    reveal(order)
    order.texts = texts
    return order


@pytest.fixture
def file_of(client, tmp_path):
    """The downloaded record of an order, on disk."""

    def fetch(order, user, door="orders"):
        client.force_login(user)
        answer = client.get(f"/{door}/{order.order_no}/record/record.json")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="record-{order.order_no}.json"'
        assert "no-store" in answer.headers["Cache-Control"]
        path = tmp_path / "record.json"
        path.write_bytes(answer.content)
        return path

    return fetch


@pytest.fixture
def checker(client, tmp_path):
    """The program as it is offered for download, run without anything of ours beside it."""
    answer = client.get("/records/check_record.py")
    assert answer.headers["Content-Type"].startswith("text/plain")
    path = tmp_path / "downloaded" / "check_record.py"
    path.parent.mkdir()
    path.write_bytes(b"".join(answer.streaming_content))

    def run(*files, isolated=False):
        words = [sys.executable, *(["-S"] if isolated else []), str(path), *map(str, files)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONIOENCODING": "utf-8"})
        return done.returncode, done.stdout + done.stderr

    return run


# --- for everybody ----------------------------------------------------------------------------------------------------


def test_the_page_says_what_it_proves_and_what_not(client, told):
    """S3-26, S4-23."""
    text = client.get("/records/").content.decode()
    day = DailyRoot.objects.get().day
    assert f"{day:%Y-%m-%d}" in text
    assert "证明的是我们事后没有改动记录；不能证明游戏厂商那边发生了什么" in text
    assert "每日指纹" in text
    assert text.index("需要一台装有 Python 3 的电脑") < text.index("下载核对程序")
    assert "每日根" not in text


def test_days_come_newest_first_page_by_page(client, buy, days_ago):
    buy()
    first = days_ago(30)
    roots.publish(at=roots.now())
    page = client.get("/records/")
    rows = [root.day for root in page.context["page"].rows]
    assert rows == [first + timedelta(days=29 - n) for n in range(20)]
    older = client.get(f"/records/?after={page.context['page'].next_after}")
    assert [root.day for root in older.context["page"].rows] == [first + timedelta(days=9 - n) for n in range(10)]


def test_before_the_first_day_is_over_it_says_so(client, db):
    assert "还没有公布过" in client.get("/records/").content.decode()


def test_anybody_can_check_a_published_root(client, told):
    root = DailyRoot.objects.get()
    published = client.get(f"/records/{root.day}.json").json()
    keys = {key["key_id"]: key["public_key"] for key in client.get("/records/key.json").json()["keys"]}
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys[published["statement"]["key_id"]]))
    key.verify(base64.b64decode(published["signature"]), chain.canonical(published["statement"]))
    assert published["statement"]["root"] == bytes(root.root).hex()
    for nothing in ("2020-02-30", "2020-01-01"):
        assert client.get(f"/records/{nothing}.json").status_code == 404
    assert "PRIVATE" not in client.get("/records/key.json").content.decode()


# --- an order's record ------------------------------------------------------------------------------------------------


def test_buyer_and_shop_read_the_same_story(client, told, merchant):
    for user, door in ((told.buyer, "orders"), (merchant, "shop/orders")):
        client.force_login(user)
        text = client.get(f"/{door}/{told.order_no}/record/").content.decode()
        assert "存证完整，没有改动" in text
        for words in ("下单", "付款成功", "首次查看", "再次查看", "第 2 件的卡密", "买家", "系统"):
            assert words in text, words
        assert f"在 {DailyRoot.objects.get().day} 的记录中" in text
        assert "将写入随后公布的每日指纹" in text
        assert 'href="/records/"' in text.split("经过")[0]
        assert text.index("需要一台装有 Python 3 的电脑") < text.index("下载存证文件")  # said before the download
        assert "订单上的留言不在这些步骤里" in text
        assert "的根" not in text
        assert not any(code in text for code in told.texts)
        assert "203.0.113.7" not in text


def test_of_one_moment_the_last_stands_first(buy):
    """An order is paid and delivered at one moment; the list is read from the newest on."""
    words = [moment.words for moment in order_record.of(buy()).moments if moment.about == "订单"]
    assert words == [OrderStep.DELIVER.label, OrderStep.PAY.label, OrderStep.PLACE.label]


def test_a_changed_record_is_said_on_the_page(client, told):
    behind_our_back("UPDATE shops_codeevent SET at = at - interval '1 hour' WHERE kind = 'reveal'")
    client.force_login(told.buyer)
    text = client.get(f"/orders/{told.order_no}/record/").content.decode()
    assert "存证核对不符" in text
    assert "第 4 条记录与写入时不符" in text


def test_a_record_written_anew_is_not_in_its_root(client, told):
    code = told.lines.first().delivery.code
    events = list(code.events.order_by("sequence"))
    chain.link(events, after={})
    for event in events:
        behind_our_back(
            "UPDATE shops_codeevent SET salt = %s, personal_digest = %s, previous_hash = %s, hash = %s WHERE id = %s",
            event.salt, event.personal_digest, event.previous_hash, event.hash, event.pk,
        )  # fmt: skip
    client.force_login(told.buyer)
    text = client.get(f"/orders/{told.order_no}/record/").content.decode()
    assert "公布的根中没有这份记录" in text


def test_its_cost_does_not_grow_with_the_order(client, buy, reveal, django_assert_max_num_queries):
    one, many = buy(quantity=1), buy(quantity=6)
    reveal(one), reveal(many)
    client.force_login(one.buyer)
    client.get(f"/orders/{one.order_no}/record/")
    with django_assert_max_num_queries(40) as few:
        client.get(f"/orders/{one.order_no}/record/")
    with django_assert_max_num_queries(len(few)):
        client.get(f"/orders/{many.order_no}/record/")


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_downloaded_file_is_checked_offline(told, merchant, file_of, checker, client, tmp_path):
    """S4-23: with the keys inside it, with the keys kept at home, and without any package but the standard library."""
    kept = tmp_path / "key.json"
    kept.write_bytes(client.get("/records/key.json").content)
    for user, door in ((told.buyer, "orders"), (merchant, "shop/orders")):
        path = file_of(told, user, door)
        for files in ((path,), (path, kept)):
            status, said = checker(*files)
            assert (status, "✓" in said) == (0, True), said
            assert "signature not checked" not in said
        status, said = checker(path, isolated=True)
        assert (status, "signature not checked" in said) == (0, True), said


def test_any_changed_value_is_found(told, file_of, checker):
    """Each value of the file in turn, and the program says that something is wrong."""
    from records import check_record

    path = file_of(told, told.buyer)
    record = json.loads(path.read_text())
    keys = {key["key_id"]: base64.b64decode(key["public_key"]) for key in record["keys"]}
    assert check_record.check(record, keys)[0] == []
    tried = 0
    for where in leaves(record):
        if where[0] == "order_no" or where[-1] == "algorithm":
            continue  # names, nothing that is proved
        changed = copy.deepcopy(record)
        *way, last = where
        place = changed
        for step in way:
            place = place[step]
        place[last] = another(place[last])
        path.write_text(json.dumps(changed))
        problems, _ = check_record.look_at(str(path))
        assert problems, where
        tried += 1
    assert tried > 200


def test_one_changed_byte_turns_the_program_red(told, file_of, checker):
    path = file_of(told, told.buyer)
    content = path.read_text()
    for old, new in (("reveal", "reveaI"), ("203.0.113.7", "203.0.113.8"), ('"buyer"', '"buyes"'), ("paid", "pa1d")):
        assert old in content
        path.write_text(content.replace(old, new, 1))
        status, said = checker(path)
        assert (status, "✗" in said) == (1, True), (old, said)
    path.write_text(content[: len(content) // 2])
    status, said = checker(path)
    assert (status, "cannot be read" in said or "can be read" in said) == (1, True)
    assert checker(path.parent / "nothing.json")[0] == 1
    assert checker()[0] == 2


def test_an_event_left_out_is_missed(told, file_of, checker):
    path = file_of(told, told.buyer)
    record = json.loads(path.read_text())
    codes = next(each for each in record["chains"] if each["stream"] == "code")
    del codes["events"][2]
    path.write_text(json.dumps(record))
    assert checker(path)[0] == 1


def test_a_key_of_a_stranger_is_not_believed(told, file_of, checker, client, tmp_path):
    """Everything computed anew and signed by another key agrees with itself, but not with the key kept at home."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from records import signing

    kept = tmp_path / "key.json"
    kept.write_bytes(client.get("/records/key.json").content)
    path = file_of(told, told.buyer)
    record = json.loads(path.read_text())
    forger = Ed25519PrivateKey.generate()
    key_id = signing.key_id(forger.public_key())
    record["keys"] = [{"key_id": key_id, "public_key": base64.b64encode(signing.raw(forger.public_key())).decode()}]
    for published in record["roots"].values():
        published["statement"]["key_id"] = key_id
        signature = forger.sign(chain.canonical(published["statement"]))
        published["signature"] = base64.b64encode(signature).decode()
    path.write_text(json.dumps(record))
    assert checker(path)[0] == 0
    status, said = checker(path, kept)
    assert (status, "is not known" in said) == (1, True)


def test_what_is_the_buyers_alone_stands_only_in_the_buyers_file(told, merchant, file_of, checker):
    """An address and a device are shown to whoever used them; the shop's file proves as much without them."""
    mine = file_of(told, told.buyer).read_text()
    assert "203.0.113.7" in mine
    assert "MicroMessenger" in mine
    shops = file_of(told, merchant, "shop/orders").read_text()
    assert "203.0.113.7" not in shops
    assert "MicroMessenger" not in shops
    looks = [event for each in json.loads(shops)["chains"] for event in each["events"]
             if event["content"].get("kind") in {"reveal", "look"}]  # fmt: skip
    assert looks
    assert all("salt" not in event for event in looks)
    for text in told.texts:
        assert text not in mine + shops


def test_notes_between_colleagues_stay_between_them(told, approved, senior, file_of, checker):
    """A note that no notice tells is a digest in the file."""
    import clock
    from refunds import lifecycle

    case = approved()
    lifecycle.halt([case], by=senior, at=clock.now(), note="怀疑同一设备多账号")
    path = file_of(case.order, case.buyer)
    assert "怀疑" not in path.read_text()
    assert checker(path)[0] == 0


def test_what_was_before_is_told_without_names(client, make_product, stranger, buyer, pay):
    """A code that another buyer had reserved: the chain says so, the page says 其他买家."""
    import uuid

    import clock
    from orders import placing
    from orders.placing import Wish

    product = make_product(stock=1)
    at = clock.now()
    first = placing.place(product, Wish(), buyer=stranger, checkout_key=uuid.uuid4(), at=at)
    placing.cancel([first], at=at)
    order = pay(placing.place(product, Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=at))
    client.force_login(buyer)
    text = client.get(f"/orders/{order.order_no}/record/").content.decode()
    assert "其他买家" in text
    assert stranger.username not in text


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_step_that_nobody_listed_is_not_recorded(buy):
    """So no reader of a record meets a word of the machine's."""
    order = buy()
    with pytest.raises(ValueError, match="hum"):
        history.record([order], "hum", at=clock.now())


def test_every_step_of_a_case_has_its_words():
    from notices import wording

    for step in (*STEPS, "submit"):
        assert f"refund_{step}" in wording.WORDING, step


def leaves(content, way=()):
    """The way to every value of a JSON file."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from leaves(value, (*way, name))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from leaves(value, (*way, number))
    else:
        yield way


def another(value):
    """A value of the same kind with one character changed."""
    if isinstance(value, str) and value:
        return ("0" if value[0] != "0" else "1") + value[1:]
    return {int: 7_777, str: "x", type(None): "x", bool: 1}[type(value)]


def test_kinds_of_events_have_words():
    assert all(str(label) for _, label in CodeEvent._meta.get_field("kind").choices)
