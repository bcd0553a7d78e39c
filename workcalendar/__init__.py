"""工作日历: which days are worked in mainland China, as published, as an operator entered it, or as estimated (P10)."""
