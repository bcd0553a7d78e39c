"""批量入库: whole or not at all, sealed from the first moment, told line by line what is wrong."""

from __future__ import annotations

import io
import resource
import time
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from notices import wording
from notices.models import Notice
from shops import importing, spreadsheets, stock, stock_lines
from shops.importing import CannotImport
from shops.models import (
    CardCode,
    CodeEvent,
    CodeEventKind,
    CodeState,
    ImportStatus,
    Shop,
    ShopMember,
    ShopRole,
    StagedCode,
    StagedFile,
    StockImport,
)
from shops.spreadsheets import UnusableFile
from shops.stock import Viewer
from tests.cast import person
from tests.shops import sheets

pytestmark = pytest.mark.django_db


@pytest.fixture
def product(make_product):
    return make_product(stock=0)


def upload(product, data: bytes, by, name: str = "codes.csv") -> StockImport:
    return importing.upload(product, data, file_name=name, by=by, at=clock.now())


def work() -> None:
    """What the worker does until nothing is due."""
    while importing.sweep(at=clock.now()):
        pass


def checked(product, data: bytes, by) -> StockImport:
    row = upload(product, data, by)
    work()
    row.refresh_from_db()
    assert row.status == ImportStatus.CHECKED
    return row


def taken_in(product, data: bytes, by, *, is_part: bool = False) -> StockImport:
    row = checked(product, data, by)
    importing.confirm(row, good=importing.good_count(row), is_part=is_part, by=by, at=clock.now())
    work()
    row.refresh_from_db()
    return row


def said(row: StockImport) -> dict[int, str]:
    return dict(row.lines.exclude(problem="").values_list("line_number", "problem"))


def texts(product, by) -> list[str]:
    """What a machine would send to the issuer: opened, on record."""
    return sorted(stock.open_to_check(code.pk, at=clock.now(), by=by) for code in product.codes.all())


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_list_is_taken_in_as_it_is(product, merchant, encoding):
    data = sheets.csv("卡密,有效期至", "甲-001,2999-12-31", "乙-002,", "", "丙-003,2999/1/2", encoding=encoding)
    row = taken_in(product, data, merchant)
    assert (row.status, row.line_count, row.done_count, row.problem_count) == (ImportStatus.IMPORTED, 3, 3, 0)
    assert texts(product, merchant) == sorted(["甲-001", "乙-002", "丙-003"])
    dates = set(product.codes.values_list("valid_until", flat=True))
    assert dates == {date(2999, 12, 31), None, date(2999, 1, 2)}
    assert set(product.codes.values_list("state", "stock_import")) == {(CodeState.IN_STOCK, row.pk)}
    events = CodeEvent.objects.filter(code__product=product, kind=CodeEventKind.STOCK)
    assert set(events.values_list("sequence", "to_state", "actor")) == {(1, CodeState.IN_STOCK, merchant.pk)}
    assert events.count() == 3


def test_a_workbook_is_read_like_a_list(product, merchant):
    data = sheets.xlsx(
        [["有效期至", "卡密"], [datetime(2999, 12, 31), "甲-001"], [None, "0012"], ["2999年1月2日", "丙"]]
    )
    taken_in(product, data, merchant)
    assert texts(product, merchant) == sorted(["甲-001", "0012", "丙"])
    assert product.codes.filter(valid_until=date(2999, 1, 2)).count() == 1


def test_a_list_without_a_heading_starts_with_its_first_line(product, merchant):
    taken_in(product, b"A-1\nA-2,2999-12-31", merchant)
    assert texts(product, merchant) == ["A-1", "A-2"]


def test_an_account_is_one_text_of_two_columns(make_product, merchant):
    product = make_product(stock=0, kind="account")
    taken_in(product, sheets.csv("密码,账号", "pass word,user@example.com"), merchant)
    assert texts(product, merchant) == ["账号：user@example.com 密码：pass word"]


def test_what_is_taken_in_is_sold_and_seen(product, merchant, buyer, pay):
    """The sealed text that moved over opens for its buyer: it was bound to this code from the beginning."""
    import uuid

    from orders import delivery, placing

    taken_in(product, sheets.csv("GOOD-CODE-1"), merchant)
    order = placing.place(product, placing.Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    pay(order)
    viewer = Viewer(buyer, "203.0.113.7", "phone")
    assert delivery.reveal(order.lines.get(), viewer=viewer, at=clock.now()) == "GOOD-CODE-1"


# --- what is wrong, by line -------------------------------------------------------------------------------------------


def test_every_problem_is_named_with_its_line(product, merchant):
    lines = {
        2: ("GOOD-1,2999-12-31", ""),
        3: (",2999-12-31", "empty"),
        4: ("x" * 257, "too_long"),
        5: ("=HYPERLINK(1)", "formula"),
        6: ("+1", "formula"),
        7: ("-1", "formula"),
        8: ("@SUM(1)", "formula"),
        9: ("\tTAB", "formula"),
        10: (" ＝1+1", "formula"),
        11: ("a\u200bb", "characters"),
        12: ("a\u202eb", "characters"),
        13: ("GOOD-2,tomorrow", "date"),
        14: ("GOOD-3,2999-02-30", "date"),
        15: ("OLD-1,2001-01-01", "expired"),
        16: ("GOOD-1", "repeated"),
        17: ("ＧＯＯＤ-1 ", "repeated"),
        18: ("GOOD-4,2999-12-31,remark", "columns"),
        19: ('"no end', "columns"),
    }
    row = checked(product, sheets.csv("卡密,有效期至", *(text for text, _ in lines.values())), merchant)
    assert said(row) == {number: problem for number, (_, problem) in lines.items() if problem}
    assert (row.line_count, importing.good_count(row)) == (18, 1)
    shown = importing.problems(row)
    assert [number for number, _ in shown] == sorted(said(row))
    assert "GOOD" not in str(shown)


def test_cells_that_are_no_text_are_not_guessed_at(product, merchant):
    """A formula is never evaluated; a number has lost its zeros already."""
    rows = [["GOOD-1", None], ["=1+1", None], [1234567890123456, None], [12.5, None], [True, None],
            [datetime(2026, 1, 1), None], ["GOOD-2", "=TODAY()"], ["GOOD-3", 46022]]  # fmt: skip
    row = checked(product, sheets.xlsx(rows), merchant)
    assert said(row) == {2: "formula", 3: "number", 4: "number", 5: "number", 6: "number", 7: "formula", 8: "date"}


def test_a_code_known_anywhere_is_refused(product, make_product, merchant):
    """P13: in this shop, in another one, and also what lies in quarantine."""
    here = make_product(stock=0)
    stock.add(here, ["HERE-1", "QUARANTINED-1"], at=clock.now())
    stock.take_out(CardCode.objects.filter(pk=here.codes.order_by("id")[1].pk), by=merchant, at=clock.now())
    rival = Shop.objects.create(name="另一家店", created_at=clock.now())
    stock.add(make_product(stock=0, shop=rival), ["ELSEWHERE-1"], at=clock.now())
    row = checked(
        product, sheets.csv("HERE-1", "ELSEWHERE-1", "quarantined-1", "QUARANTINED-1", " ELSEWHERE-1 "), merchant
    )
    assert said(row) == {1: "known_here", 2: "known_elsewhere", 4: "known_here", 5: "known_elsewhere"}


def test_a_line_with_a_problem_keeps_nothing_of_its_text(product, merchant):
    row = checked(product, sheets.csv("GOOD-1", "GOOD-1", "=1"), merchant)
    assert set(row.lines.exclude(problem="").values_list("sealed", "fingerprint", "key_id")) == {(None, None, "")}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file_empty"),
        (b" \r\n \n", "file_empty"),
        (b"x" * (spreadsheets.MAX_BYTES + 1), "file_too_large"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "file_xls"),
        ("卡密\r\n".encode("utf-16"), "file_unreadable"),
        (b"A-1\n\xff\xff\xff", "file_unreadable"),
        (b"\n" * (2 * spreadsheets.MOST_ROWS + 1) + b"A", "file_too_many_lines"),
    ],
)
def test_what_cannot_be_a_list_is_refused_at_once(product, merchant, data, code):
    with pytest.raises(UnusableFile) as refused:
        upload(product, data, merchant)
    assert refused.value.code == code
    assert code in stock_lines.PROBLEMS
    assert not StockImport.objects.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PK\x03\x04 not an archive", "file_unreadable"),
        (sheets.csv("卡密,备注", "A-1,x"), "file_heading"),
        (sheets.csv("有效期至", "2999-12-31"), "file_heading"),
        (sheets.csv("卡密,卡密", "A-1,A-2"), "file_heading"),
        (sheets.csv("账号,密码", "user,pass"), "file_heading"),
        (sheets.csv("卡密,有效期至"), "file_empty"),
        (sheets.xlsx([]), "file_empty"),
        (sheets.xlsx([["A-1"]], more_sheets=[[["B-1"]]]), "file_several_sheets"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_says_so_and_takes_nothing_in(product, merchant, data, code):
    row = checked(product, data, merchant)
    assert (said(row), importing.good_count(row)) == ({0: code}, 0)
    with pytest.raises(CannotImport):
        importing.confirm(row, good=0, is_part=True, by=merchant, at=clock.now())


def bomb(parts: dict[str, bytes]) -> bytes:
    """A good workbook with parts replaced."""
    whole, made = io.BytesIO(sheets.xlsx([["A-1"]])), io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, parts.get(name, old.read(name)))
    return made.getvalue()


SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'


def entities() -> bytes:
    """One short text, named a hundred thousand times."""
    head = b'<!DOCTYPE a [<!ENTITY a "' + b"x" * 100_000 + b'">]>'
    return head + SHEET % (b'<row><c t="inlineStr"><is><t>' + b"&a;" * 100_000 + b"</t></is></c></row>")


BOMBS = {
    "unpacks to too much": lambda: {"docProps/app.xml": b"\0" * (spreadsheets.MAX_UNPACKED_BYTES + 1)},
    "a row of cells": lambda: {"xl/worksheets/sheet1.xml": SHEET % (b"<row>" + b"<c/>" * 15_000_000 + b"</row>")},
    "entities": lambda: {"xl/worksheets/sheet1.xml": entities()},
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_workbook_made_to_hurt_hurts_nobody(product, merchant, name):
    """X2: it ends in the child, and the shop reads a sentence."""
    data = bomb(BOMBS[name]())
    assert len(data) < spreadsheets.MAX_BYTES
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = checked(product, data, merchant)
    assert said(row) in ({0: "file_too_large"}, {0: "file_unreadable"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB
    with pytest.raises(CannotImport):
        importing.confirm(row, good=0, is_part=True, by=merchant, at=clock.now())


def test_a_row_far_down_is_a_line_far_down(product, merchant):
    sheet = SHEET % b'<row r="900000"><c r="A900000" t="inlineStr"><is><t>A-1</t></is></c></row>'
    row = checked(product, bomb({"xl/worksheets/sheet1.xml": sheet}), merchant)
    assert list(row.lines.values_list("line_number", "problem")) == [(900000, "")]


def test_too_many_rows_are_refused_as_a_whole(product, merchant, monkeypatch):
    monkeypatch.setattr(spreadsheets, "MOST_ROWS", 5)
    assert said(checked(product, sheets.csv(*sheets.codes(7)), merchant)) == {0: "file_too_many_lines"}


# --- steps ------------------------------------------------------------------------------------------------------------


def test_with_problems_only_an_explicit_word_takes_the_rest_in(product, merchant):
    row = checked(product, sheets.csv("GOOD-1", "=1", "GOOD-2"), merchant)
    for good, is_part, code in [(2, False, "problems"), (3, True, "changed")]:
        with pytest.raises(CannotImport) as refused:
            importing.confirm(row, good=good, is_part=is_part, by=merchant, at=clock.now())
        assert refused.value.code == code
    importing.confirm(row, good=2, is_part=True, by=merchant, at=clock.now())
    with pytest.raises(CannotImport):
        importing.confirm(row, good=2, is_part=True, by=merchant, at=clock.now())
    work()
    assert texts(product, merchant) == ["GOOD-1", "GOOD-2"]
    assert not StagedCode.objects.exists()


def test_what_was_given_up_leaves_no_line(product, merchant):
    for step in ("while it is checked", "afterwards"):
        row = upload(product, sheets.csv("GOOD-1"), merchant)
        if step == "afterwards":
            work()
        importing.discard(row, by=merchant)
        work()
        row.refresh_from_db()
        assert (row.status, row.next_due_at) == (ImportStatus.DISCARDED, None)
        assert not StagedCode.objects.exists()
        assert not StagedFile.objects.exists()
    assert not product.codes.exists()
    with pytest.raises(CannotImport):
        importing.discard(row, by=merchant)


def test_given_up_in_the_middle_of_a_turn_it_stays_given_up(product, merchant, monkeypatch):
    row = upload(product, sheets.csv(*sheets.codes(3000)), merchant)
    stage = importing._stage

    def given_up_first(row, product, batch):
        if row.done_count == 1000:
            importing.discard(row, by=merchant)
        return stage(row, product, batch)

    monkeypatch.setattr(importing, "_stage", given_up_first)
    work()
    row.refresh_from_db()
    assert (row.status, StagedCode.objects.count()) == (ImportStatus.DISCARDED, 0)


def test_without_an_answer_it_lapses_after_a_week(product, merchant):
    row = checked(product, sheets.csv("GOOD-1"), merchant)
    assert importing.sweep(at=clock.now() + timedelta(days=6)) == 0
    assert importing.sweep(at=clock.now() + timedelta(days=8)) == 1
    row.refresh_from_db()
    assert row.status == ImportStatus.DISCARDED


def test_a_code_sold_elsewhere_meanwhile_turns_the_whole_list_back(product, make_product, merchant):
    """P13: nothing of it is in stock, and the line says why."""
    row = checked(product, sheets.csv("GOOD-1", "GOOD-2", "GOOD-3"), merchant)
    importing.confirm(row, good=3, is_part=False, by=merchant, at=clock.now())
    rival = Shop.objects.create(name="另一家店", created_at=clock.now())
    stock.add(make_product(stock=0, shop=rival), ["GOOD-2"], at=clock.now())
    work()
    row.refresh_from_db()
    assert (row.status, row.confirmed_by, said(row)) == (ImportStatus.CHECKED, None, {2: "known_elsewhere"})
    assert not product.codes.exists()
    importing.confirm(row, good=2, is_part=True, by=merchant, at=clock.now())
    work()
    assert texts(product, merchant) == ["GOOD-1", "GOOD-3"]


def test_the_same_file_twice_is_in_stock_once(product, merchant):
    taken_in(product, sheets.csv("GOOD-1", "GOOD-2"), merchant)
    row = checked(product, sheets.csv("GOOD-1", "GOOD-2"), merchant)
    assert said(row) == {1: "known_here", 2: "known_here"}


def test_ten_lists_may_wait_for_their_shop(product, merchant):
    for _ in range(importing.MOST_OPEN):
        upload(product, b"A-1", merchant)
    with pytest.raises(CannotImport) as refused:
        upload(product, b"A-1", merchant)
    assert refused.value.code == "too_many"


def test_only_what_is_sold_as_codes_has_stock(make_product, merchant):
    with pytest.raises(CannotImport) as refused:
        upload(make_product(kind="service", fulfilment="service"), b"A-1", merchant)
    assert refused.value.code == "not_codes"


def test_a_file_that_never_opens_is_set_aside(product, merchant, caplog):
    """F12: tried ever more slowly, then told to the shop; the log quotes nothing of it."""
    row = upload(product, b"SECRET-1", merchant)
    StagedFile.objects.update(sealed=b"\x01" + b"x" * 200)
    at = clock.now()
    for _ in range(importing.MOST_TRIES):
        assert importing.sweep(at=at) == 1
        at += timedelta(hours=1)
    row.refresh_from_db()
    assert (row.status, said(row)) == (ImportStatus.CHECKED, {0: "file_unreadable"})
    assert "SECRET" not in caplog.text


# --- telling who uploaded it ------------------------------------------------------------------------------------------


def told(user) -> list[tuple[str, dict]]:
    return list(Notice.objects.filter(recipient=user).order_by("pk").values_list("kind", "params"))


def test_who_uploaded_it_is_told_of_each_step_once_and_of_no_code(product, merchant, buyer):
    """Whoever else works in the shop has its page; the link leads there."""
    row = taken_in(product, sheets.csv("SECRET-1", "=SECRET-2", "SECRET-3"), merchant, is_part=True)
    work()
    assert told(merchant) == [
        ("import_checked", {"product": product.name, "good": 2, "bad": 1, "days": 7}),
        ("import_imported", {"product": product.name, "count": 2}),
    ]
    notices = Notice.objects.filter(recipient=merchant)
    assert {notice.path for notice in notices} == {f"/shop/imports/{row.pk}/"}
    assert not [text for notice in notices if "SECRET" in (text := wording.text(notice.kind, notice.params))]
    assert not told(buyer)


def test_a_list_that_is_turned_back_twice_is_told_of_twice(product, make_product, merchant):
    row = checked(product, sheets.csv("GOOD-1", "GOOD-2", "GOOD-3"), merchant)
    rival = Shop.objects.create(name="另一家店", created_at=clock.now())
    for number, good in ((1, 3), (2, 2)):
        importing.confirm(row, good=good, is_part=good < 3, by=merchant, at=clock.now())
        stock.add(make_product(stock=0, shop=rival), [f"GOOD-{number}"], at=clock.now())
        importing.sweep(at=clock.now() + timedelta(minutes=number))
    assert [kind for kind, _ in told(merchant)] == ["import_checked", "import_turned_back", "import_turned_back"]


def test_a_file_that_is_no_list_is_told_of(product, merchant):
    checked(product, sheets.csv("卡密,有效期至"), merchant)
    assert told(merchant) == [("import_refused", {"product": product.name})]


def test_who_has_left_the_shop_hears_nothing_more_of_its_stock(product, merchant):
    clerk = person("clerk", "merchant")
    membership = ShopMember.objects.create(shop=product.shop, user=clerk, role=ShopRole.MANAGER)
    row = upload(product, sheets.csv("GOOD-1"), clerk)
    membership.delete()
    work()
    row.refresh_from_db()
    assert (row.status, told(clerk), told(merchant)) == (ImportStatus.CHECKED, [], [])


# --- nothing in clear -------------------------------------------------------------------------------------------------


def test_no_table_holds_a_text_in_clear_at_any_step(product, merchant):
    """I15: from the upload to the code in stock."""
    row = upload(product, sheets.csv("CANARY-7531-ABCD", "=CANARY-9999"), merchant)
    nowhere_in_clear()
    work()
    nowhere_in_clear()
    importing.confirm(row, good=1, is_part=True, by=merchant, at=clock.now())
    work()
    nowhere_in_clear()
    assert product.codes.count() == 1


def nowhere_in_clear() -> None:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT count(*) FROM "{table}" AS whole WHERE whole::text ~ %s', [LOOKS_LIKE])
            assert cursor.fetchone() == (0,), table


LOOKS_LIKE = "CANARY-|" + b"CANARY-".hex()


MAKERS = {"csv": lambda lines: sheets.csv(*lines), "xlsx": lambda lines: sheets.xlsx([line] for line in lines)}

# --- many -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS)
def test_five_thousand_lines_take_no_more_memory_than_one_thousand(product, merchant, make):
    bounded(product, merchant, MAKERS[make], 1_000, 5_000)


@pytest.mark.nightly
@pytest.mark.parametrize("make", MAKERS)
def test_a_hundred_thousand_lines(product, merchant, make):
    bounded(product, merchant, MAKERS[make], 20_000, 100_000)


def bounded(product: Any, merchant: Any, make: Any, few: int, many: int) -> None:
    """Five times the lines: the worker's own peak grows by the file, held twice while it is opened, and 16 MB."""
    if not HIGH_WATER.exists():
        pytest.skip("this system does not tell a process its peak")
    grown = []
    for count in (few, few, many):  # the first warms up
        lines = sheets.codes(count, prefix=f"{len(grown)}N")
        data = make(lines)
        del lines
        row = upload(product, data, merchant)
        HIGH_WATER.write_text("5")
        before, started = peak_bytes(), time.perf_counter()
        work()
        checked_after = time.perf_counter() - started
        row.refresh_from_db()
        assert importing.good_count(row) == count
        importing.confirm(row, good=count, is_part=False, by=merchant, at=clock.now())
        work()
        grown.append(peak_bytes() - before)
        print(f"{count} lines, {len(data)} bytes: checked after {checked_after:.1f} s, in stock after"
              f" {time.perf_counter() - started:.1f} s, grown by {grown[-1] / 1e6:.1f} MB")  # fmt: skip
        assert CardCode.objects.filter(stock_import=row).count() == count
    assert grown[2] < grown[1] + 2 * len(data) + 16_000_000


HIGH_WATER = Path("/proc/self/clear_refs")  # writing 5 begins a new peak


def peak_bytes() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_a_thousand_lines_more_cost_a_dozen_queries_more(product, merchant):
    counted = []
    for count in (1000, 4000):
        row = upload(product, sheets.csv(*sheets.codes(count, prefix=f"Q{count}")), merchant)
        with CaptureQueriesContext(connection) as captured:
            work()
            row.refresh_from_db()
            importing.confirm(row, good=count, is_part=False, by=merchant, at=clock.now())
            work()
        counted.append(len(captured))
    assert counted[1] - counted[0] <= 3 * 13, counted
