"""Every table of the simulator, and every column that was added later; a new module adds its line here."""

from __future__ import annotations

from simulator import store
from simulator.alipay import tables as alipay

SCHEMAS = (store.SCHEMA, alipay.SCHEMA)
COLUMNS = (*store.COLUMNS,)
