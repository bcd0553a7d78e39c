"""One rule's answer, in the words that the buyer reads, and in English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RuleResult:
    """One rule's answer. ``input`` is what it looked at; the sentences are what people read."""

    rule: str
    passed: bool
    input: str
    sentence: str
    sentence_en: str

    def as_json(self) -> dict[str, object]:
        return dict(vars(self))


def answer(rule: str, passed: bool, looked_at: str, yes: tuple[str, str], no: tuple[str, str]) -> RuleResult:
    sentence, sentence_en = yes if passed else no
    return RuleResult(rule, passed, looked_at, sentence, sentence_en)


def first_failed(results: Sequence[RuleResult]) -> RuleResult | None:
    return next((result for result in results if not result.passed), None)
