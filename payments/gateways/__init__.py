"""Channels' protocols, a package each behind ``base.py``. They return outcomes, write nothing and know no Django."""
