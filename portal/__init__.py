"""Shops' pages. They compose; they decide nothing."""
