"""原因: the words that somebody must write for what colleagues, or the one it is about, will read. Their columns hold
so many."""

LONGEST = 200


def why_not(words: str) -> str:
    """What is wrong with these words, for whoever wrote them; empty: nothing."""
    return "" if 0 < len(words.strip()) <= LONGEST else f"请写明原因，不超过 {LONGEST} 字。"
