"""The case: who asks, who decides, by when, with which proof. Start reading at lifecycle/table.py."""
