"""Every table of the simulator, and every column that was added later; a new module adds its line here."""

from __future__ import annotations

from simulator import bill_faults, console_books, store, topups
from simulator.alipay import tables as alipay
from simulator.wechat import bills as wechat_bills
from simulator.wechat import complaint_book
from simulator.wechat import tables as wechat

SCHEMAS = (
    store.SCHEMA,
    alipay.SCHEMA,
    bill_faults.SCHEMA,
    wechat_bills.SCHEMA,
    complaint_book.SCHEMA,
    console_books.SCHEMA,
    topups.SCHEMA,
    wechat.SCHEMA,
)
COLUMNS = (
    *store.COLUMNS,
    *alipay.COLUMNS,
    *topups.COLUMNS,
    *wechat.COLUMNS,
)
