"""对账: each day the channels' bills against our books. See docs/decisions/0025-reconciliation.md."""
