"""SQL against the rules of the ledger: postings, entries, accounts, checkpoints (I6).

Tried by ``test_constraints.py``, on its ``books``.
"""

from __future__ import annotations

from tests.attacks import another

ATTACKS = {
    "take more of a balance than there is": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen) SELECT (SELECT max(id) FROM"
        " ledger_posting), id, CASE kind WHEN 'balance' THEN 'debit' ELSE 'credit' END, 1000000 FROM ledger_account"
        " WHERE code IN ({balance}, 'transfer:platform')",
        "nobody_is_below_nothing",
    ),
    "a posting twice": ("INSERT INTO ledger_posting (ref, posted_at) SELECT ref, now() FROM ledger_posting", "ref"),
    "half a posting": (
        "WITH p AS (INSERT INTO ledger_posting (ref, posted_at) VALUES ('gift', now()) RETURNING id)"
        " INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT p.id, a.id, 'debit', 100 FROM p, ledger_account a LIMIT 1",
        "does not sum to zero",
    ),
    "one fen more on an old posting": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, side, 1 FROM ledger_entry LIMIT 1",
        "does not sum to zero",
    ),
    "an entry of nothing": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, side, 0 FROM ledger_entry LIMIT 1",
        "entry_amount_is_positive",
    ),
    "a negative entry": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, side, -5 FROM ledger_entry LIMIT 1",
        "amount",
    ),
    "a third side": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, 'left', 5 FROM ledger_entry LIMIT 1",
        "entry_side_is_listed",
    ),
    "an invented kind of account": (
        "INSERT INTO ledger_account (code, kind) VALUES ('gold:1', 'gold')",
        "account_kind_is_listed",
    ),
    "an account's code of another kind": (
        "INSERT INTO ledger_account (code, kind) VALUES ('shop:x', 'fees')",
        "account_code_begins_with_its_kind",
    ),
    "nobody's account": (
        "INSERT INTO ledger_account (code, kind) VALUES ('held:None', 'held')",
        "account_code_names_whose",
    ),
    "a checkpoint below nothing": (
        another("ledger.Checkpoint", "true", up_to="0", debit_fen="-1"),
        "checkpoint_sums_are_no_less_than_nothing",
    ),
    "a second checkpoint": (another("ledger.Checkpoint", "true"), "one_checkpoint_per_account_and_entry"),
    "a posting undone twice": (
        "INSERT INTO ledger_posting (ref, posted_at, reverses_id) SELECT 'undo:' || n, now(), (SELECT min(id) FROM"
        " ledger_posting) FROM generate_series(1, 2) AS n",
        "ledger_posting_reverses_id_key",
    ),
}
