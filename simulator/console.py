"""The page that shows the simulator's books (控制台): both channels, and a button for everything a tester may do.

GET shows; POST to /console/<act> does what /_control/<act> does, and leads back. Without JavaScript; a POST must come
from a page of our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from simulator import console_books, control, faults
from simulator.console_pages import DONE, Look, faults_page, list_page, overview, payment_page, whole
from simulator.inputs import BadInput
from simulator.origin import foreign
from simulator.timekeeper import catch_up
from simulator.wire import Answer, Request
from simulator.world import NotPossible, World

CSS = Path(__file__).with_name("console.css").read_bytes()
LONGEST_NUMBER = 64
HERE = re.compile(r"/(console(/[0-9A-Za-z_|*@%.-]*){0,4})?(\?[0-9A-Za-z_=&%+.*-]*)?")


def answer(world: World, request: Request) -> Answer:
    """Answer one request for / or below /console."""
    if request.path == "/console.css":
        return Answer(200, CSS, {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300"})
    if request.method == "POST":
        return _post(world, request)
    if request.method not in ("GET", "HEAD"):
        return Answer(405)
    catch_up(world)
    look = _look(world, request)
    path = unquote(request.path, errors="replace").rstrip("/")
    if path in ("", "/console"):
        return _page(overview(look))
    if path == "/console/faults":
        return _page(faults_page(look))
    name = path.removeprefix("/console/")
    if name in console_books.LISTS:
        return _page(list_page(look, name))
    found = re.fullmatch(r"payments/(wechat|alipay)/(.{1,64})", name)
    row = console_books.payment(world, found[1], found[2]) if found else None
    return _page(payment_page(look, row)) if row else _wrong(look, 404, "没有这一页 / there is no such page")


def _post(world: World, request: Request) -> Answer:
    if foreign(request, must_say=True):
        return _wrong(_look(world, request), 403, "请求不是从本页发出的 / the request did not come from this page")
    try:
        given = parse_qs(request.body.decode(), max_num_fields=20)
        fields = {name: values[0].strip() for name, values in given.items() if values[0].strip()}
    except ValueError:
        fields = {}
    back = fields.pop("back", "/")
    act = request.path.removeprefix("/console/")
    do = ACTS.get(act)
    if do is None or not HERE.fullmatch(back):
        return _wrong(_look(world, request), 404, "没有这个操作 / there is no such act")
    try:
        do(world, fields)
    except (BadInput, NotPossible) as error:
        return _wrong(_look(world, request), 409, str(error), back)
    path, _, query = back.partition("?")
    kept = {name: values[0] for name, values in parse_qs(query).items() if name != "done"}
    return Answer(303, b"", {"Location": f"{path}?{urlencode(kept | {'done': act})}"})


# --- what the forms do: text becomes what the control plane takes ----------------------------------------------------


def _pay(world: World, fields: dict[str, str]) -> None:
    _control(world, "pay", dict(fields))


def _settle(world: World, fields: dict[str, str]) -> None:
    _control(world, "settle", dict(fields))


def _console_refund(world: World, fields: dict[str, str]) -> None:
    _control(world, "console_refund", _with_fen(fields, "amount_fen"))


def _complain(world: World, fields: dict[str, str]) -> None:
    _control(world, "complain", _with_fen(fields, "apply_refund_amount_fen"))


def _complaint_reply(world: World, fields: dict[str, str]) -> None:
    _control(world, "complaint_reply", dict(fields))


def _funds(world: World, fields: dict[str, str]) -> None:
    _control(world, "funds", {"amount_fen": None} | _with_fen(fields, "amount_fen"))


def _clock(world: World, fields: dict[str, str]) -> None:
    unit = {"minutes": 60, "hours": 3600, "days": 86400}.get(fields.get("unit", ""), 1)
    _control(world, "clock", {"advance_seconds": _number(fields.get("advance", "")) * unit})


def _faults(world: World, fields: dict[str, str]) -> None:
    data: dict[str, Any] = {name: fields[name] for name in ("fault", "channel", "request_no") if name in fields}
    if "percent" in fields and "request_no" not in fields:
        data["rate"] = _number(fields["percent"]) / 100
    if "times" in fields:
        data["times"] = int(_number(fields["times"]))
    _control(world, "faults", data)


def _seed(world: World, fields: dict[str, str]) -> None:
    _control(world, "faults", {"seed": int(_number(fields.get("seed", "")))})


def _fault_off(world: World, fields: dict[str, str]) -> None:
    with world.store.transaction() as db:
        faults.remove(db, int(_number(fields.get("id", ""))))


def _faults_off(world: World, fields: dict[str, str]) -> None:
    _control(world, "faults", {"clear": True})


ACTS: dict[str, Callable[[World, dict[str, str]], None]] = {
    "pay": _pay,
    "settle": _settle,
    "console_refund": _console_refund,
    "complain": _complain,
    "complaint_reply": _complaint_reply,
    "funds": _funds,
    "clock": _clock,
    "faults": _faults,
    "seed": _seed,
    "fault_off": _fault_off,
    "faults_off": _faults_off,
}


def _control(world: World, act: str, data: dict[str, Any]) -> None:
    control.perform(world, act, data)


def _with_fen(fields: dict[str, str], name: str) -> dict[str, Any]:
    """12.34 yuan in the field `yuan` become 1234 fen."""
    data: dict[str, Any] = {key: value for key, value in fields.items() if key != "yuan"}
    if "yuan" in fields:
        if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", fields["yuan"]):
            raise BadInput("金额须为元，最多两位小数 / an amount in yuan with at most two decimals")
        whole_part, _, cents = fields["yuan"].partition(".")
        data[name] = int(whole_part) * 100 + int(cents.ljust(2, "0") or 0)
    return data


def _number(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise BadInput("须为数字 / a number is needed")
    return float(text)


# --- answers ---------------------------------------------------------------------------------------------------------


def _look(world: World, request: Request) -> Look:
    try:
        query = {name: values[0] for name, values in parse_qs(request.query, max_num_fields=20).items()}
    except ValueError:
        query = {}
    number = query.get("page", "1")
    page = int(number) if re.fullmatch(r"[1-9][0-9]{0,5}", number) else 1
    search = "".join(char for char in query.get("q", "") if char.isprintable()).strip()[:LONGEST_NUMBER]
    path = quote(unquote(request.path, errors="replace"), safe="/|*@.-") if request.method in ("GET", "HEAD") else "/"
    kept = {name: value for name, value in (("q", search), ("page", str(page) if page > 1 else "")) if value}
    here = f"{path}?{urlencode(kept)}" if kept else path
    return Look(world, here if HERE.fullmatch(here) else "/", page, search, query.get("done", ""))


def _wrong(look: Look, status: int, message: str, back: str = "/") -> Answer:
    inner = (
        f'<p class="said wrong" role="alert">{escape(message)}</p>'
        f'<p><a class="more" href="{escape(back)}">返回 <small lang="en">Back</small></a></p>'
    )
    return _page(whole(look, ("不行", "That did not work"), inner), status)


def _page(html: str, status: int = 200) -> Answer:
    return Answer(
        status,
        html.encode(),
        {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
            " frame-ancestors 'none'",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )


assert set(ACTS) == set(DONE)
