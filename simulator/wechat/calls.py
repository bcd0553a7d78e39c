"""One call of the merchant: what every module of this package registers, reads and refuses with.

A module writes handlers `(world, call) -> Answer`, registers each with `@route(...)` and is imported by gateway.py. A
refusal is raised as `Refusal` and becomes an error answer with WeChat's own status, code and `detail`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.inputs import parse_object
from simulator.wire import Answer, Request
from simulator.world import World


class Refusal(Exception):
    """An error answer: HTTP status, WeChat's code, a message for people, and the field it is about."""

    def __init__(self, status: int, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.detail = status, code, message, detail


@dataclass(frozen=True)
class Call:
    """One authenticated call: the number in its path, its query, its body as `data`, and the request as it was sent."""

    number: str
    query: dict[str, str]
    data: dict[str, Any]
    request: Request


Handler = Callable[[World, Call], Answer]


def json_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object; BadInput. A DELETE or GET has none."""
    return parse_object(request.body) if request.method not in ("GET", "DELETE") else {}


def whole_body(request: Request) -> bytes:
    """What the merchant signs besides the head: normally the whole body."""
    return request.body


@dataclass(frozen=True)
class Route:
    """One kind of call, and how it differs from the others."""

    method: str
    path: re.Pattern[str]  # its first group, if any, is the call's number
    handle: Handler
    refund: bool  # faults that are ordered as a rate strike these
    budget: str  # whose limit of calls it counts against (meter.py); none if empty
    signed: bool  # whether the answer is signed; files are not
    body: Callable[[Request], dict[str, Any]]
    signed_body: Callable[[Request], bytes]


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    *,
    refund: bool = False,
    budget: str = "",
    signed: bool = True,
    body: Callable[[Request], dict[str, Any]] = json_body,
    signed_body: Callable[[Request], bytes] = whole_body,
) -> Callable[[Handler], Handler]:
    """Register a handler for this method and path (a regular expression for the whole path)."""

    def register(handle: Handler) -> Handler:
        ROUTES.append(Route(method, re.compile(path), handle, refund, budget, signed, body, signed_body))
        return handle

    return register


def param_error(name: str, value: Any, issue: str, *, location: str = "body") -> Refusal:
    """400 PARAM_ERROR about one field."""
    message = f"输入源“/{location}/{name}”校验失败：{issue}"
    return Refusal(400, "PARAM_ERROR", message, detail(f"/{name}", value, issue, location))


def detail(field: str, value: Any, issue: str, location: str = "body") -> dict[str, Any]:
    """What an error says about the field at fault."""
    return {"field": field, "value": value, "issue": issue, "location": location}


def error(refusal: Refusal) -> Answer:
    """The answer that a refusal becomes."""
    body: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.detail is not None:
        body["detail"] = refusal.detail
    return Answer.json(body, refusal.status)
