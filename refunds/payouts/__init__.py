"""分批发款: one of finance puts a batch together, another checks it, and a worker pays its lines (S2-18, S2-19, I11).

    draft → proposed → approved → sending ⇄ done (what failed is tried again)
      └────────┴──→ called_off ←── stopped ⇄ ┘

``batches``     what happens to a batch as a whole: finance makes, checks, stops it. Start reading here.
``whose_turn``  which of the waiting cases go into it, and in which order: pure.
``paying``      what the worker does: a turn pays some of its lines.
``totals``      what is shown of a batch before somebody says yes, and how far it is.
``ready``       the cases that may go out, and which of them not by whom.
``releasing``   what one person releases without a batch.
"""
