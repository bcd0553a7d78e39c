"""Where every fen is. `posting.py` is the only writer."""
