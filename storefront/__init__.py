"""Buyers' pages. They compose; they decide nothing."""
