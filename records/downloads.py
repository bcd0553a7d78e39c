"""存证文件: what is published or kept of records, as JSON that people can read too. For every door."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse


def plain(content: dict[str, Any]) -> JsonResponse:
    """To look at: Chinese as it is written, a line for each value."""
    return JsonResponse(content, json_dumps_params={"ensure_ascii": False, "indent": 1})


def of_order(content: dict[str, Any], order_no: str) -> JsonResponse:
    """To keep: an order's record, under its number."""
    answer = plain(content)
    answer.headers["Content-Disposition"] = f'attachment; filename="record-{order_no}.json"'
    return answer
