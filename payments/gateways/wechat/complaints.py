"""消费者投诉 2.0 as ``complaints.ComplaintDesk``."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import wire
from payments.gateways.base import GatewayError, OutcomeUnknown
from payments.gateways.complaints import ComplainedPayment, Complaint, ComplaintEntry, ComplaintState
from payments.gateways.reading import Odd, text
from payments.gateways.wechat.answers import Answer, Call, Verdict, read
from payments.gateways.wechat.client import WechatClient
from payments.gateways.wechat.fields import Body, moment, number

PAGE, HISTORY_PAGE = 50, 100
MOST_PAGES = 200
LONGEST_SPAN = timedelta(days=30)
MOST_WORDS, MOST_PICTURES = 200, 4
MOST_UPLOADED_BYTES = 2 * 1024 * 1024
MOST_PICTURE_BYTES = 10 * 1024 * 1024
_PICTURES_PATH = "/v3/merchant-service/images/"

_STATES = {
    "PENDING": ComplaintState.PENDING,
    "PROCESSING": ComplaintState.PROCESSING,
    "PROCESSED": ComplaintState.PROCESSED,
}

T = TypeVar("T")


class WechatComplaints:
    """``ComplaintDesk`` of one WeChat Pay merchant."""

    def __init__(self, client: WechatClient) -> None:
        self._client = client

    def complaints(self, begin: date, end: date) -> Iterator[Complaint]:
        if not begin <= end < begin + LONGEST_SPAN:
            raise ValueError("complaints: from begin to end at most 30 days")
        return self._pages(
            PAGE,
            lambda sdk, offset: sdk.complaint_list_query(
                begin_date=begin.isoformat(), end_date=end.isoformat(), limit=PAGE, offset=offset
            ),
            _complaint,
        )

    def complaint(self, complaint_id: str) -> Complaint:
        _require_id(complaint_id)
        answer = self._ask(lambda sdk: sdk.complaint_detail_query(complaint_id))
        complaint = read(answer, _complaint)
        if complaint.complaint_id != complaint_id:
            raise OutcomeUnknown("odd_answer", "complaint_id")
        return complaint

    def history(self, complaint_id: str) -> Iterator[ComplaintEntry]:
        _require_id(complaint_id)
        return self._pages(
            HISTORY_PAGE,
            lambda sdk, offset: sdk.complaint_history_query(complaint_id, limit=HISTORY_PAGE, offset=offset),
            _entry,
        )

    def phone_of(self, complaint: Complaint) -> str:
        if not complaint.sealed_phone:
            return ""
        try:
            phone: str = self._client.sdk.decrypt(complaint.sealed_phone)
        except Exception as error:  # sealed to another certificate of ours, or garbled
            raise GatewayError("phone_unreadable", type(error).__name__) from None
        return phone

    def reply(self, complaint_id: str, words: str, pictures: Sequence[str] = ()) -> None:
        _require_id(complaint_id)
        _require_words(words)
        _require_pictures(pictures)
        self._write(lambda sdk: sdk.complaint_response(complaint_id, words, response_images=list(pictures)))

    def complete(self, complaint_id: str) -> None:
        _require_id(complaint_id)
        self._write(lambda sdk: sdk.complaint_complete(complaint_id))

    def approve_refund(self, complaint_id: str, within_workdays: int, remark: str = "") -> None:
        _require_id(complaint_id)
        if type(within_workdays) is not int or within_workdays < 0:
            raise ValueError("approve_refund: within_workdays must be 0 or more")
        _require_words(remark, may_be_empty=True)
        self._write(
            lambda sdk: sdk.complaint_update_refund(
                complaint_id, "APPROVE", launch_refund_day=within_workdays, reject_media_list=[], remark=remark
            )
        )

    def reject_refund(self, complaint_id: str, reason: str, pictures: Sequence[str] = (), remark: str = "") -> None:
        _require_id(complaint_id)
        _require_words(reason)
        _require_words(remark, may_be_empty=True)
        _require_pictures(pictures)
        self._write(
            lambda sdk: sdk.complaint_update_refund(
                complaint_id, "REJECT", reject_reason=reason, reject_media_list=list(pictures), remark=remark
            )
        )

    def upload(self, name: str, content: bytes) -> str:
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,60}\.(jpg|jpeg|png|bmp)", name):
            raise ValueError("upload: the name must be letters and digits, and end in .jpg, .png or .bmp")
        if not 0 < len(content) <= MOST_UPLOADED_BYTES:
            raise ValueError("upload: a picture has at most 2 MiB")
        with tempfile.TemporaryDirectory() as folder:  # the SDK takes a file only
            path = Path(folder) / name
            path.write_bytes(content)
            answer = self._write(lambda sdk: sdk.complaint_image_upload(str(path)))
        return read(answer, lambda body: text(body, "media_id", 512))

    def picture(self, address: str) -> bytes:
        """The host is ours to choose, whatever the address says: a signed call is for one."""
        path = urlsplit(address).path
        is_picture = re.fullmatch(re.escape(_PICTURES_PATH) + r"[0-9A-Za-z_.~%=-]{1,512}", path)
        if not is_picture or ".." in unquote(path):
            raise ValueError("picture: not an address of a complaint's picture")
        with wire.allowing(most_bytes=MOST_PICTURE_BYTES, total_seconds=60):
            answer = self._ask(lambda sdk: sdk.complaint_image_download(path), Call.DOWNLOAD)
        if not isinstance(answer.raw, bytes) or not answer.raw:
            raise OutcomeUnknown("odd_answer", "no picture")
        return answer.raw

    def notify_url(self) -> str:
        try:
            answer = self._ask(lambda sdk: sdk.complaint_notification_query())
        except LookupError:
            return ""
        return read(answer, lambda body: text(body, "url", 512))

    def set_notify_url(self, notify_url: str) -> None:
        if urlsplit(notify_url).scheme not in ("https", "http") or len(notify_url) > 255:
            raise ValueError("set_notify_url: an address of at most 255 characters")
        if self.notify_url():
            self._write(lambda sdk: sdk.complaint_notification_update(notify_url))
        else:
            self._write(lambda sdk: sdk.complaint_notification_create(notify_url))

    def forget_notify_url(self) -> None:
        self._write(lambda sdk: sdk.complaint_notification_delete())

    def _ask(self, send: Callable[[Any], tuple[int, str | bytes]], call: Call = Call.ASK_COMPLAINT) -> Answer:
        answer = self._client.ask(call, send)
        if answer.verdict is Verdict.NOT_FOUND:
            raise LookupError(f"no such complaint: {answer.code}")
        if answer.verdict is Verdict.REFUSED:
            raise GatewayError(answer.code, answer.message)
        return answer

    def _write(self, send: Callable[[Any], tuple[int, str | bytes]]) -> Answer:
        return self._ask(send, Call.WRITE_COMPLAINT)

    def _pages(
        self, page: int, send: Callable[..., tuple[int, str | bytes]], reader: Callable[[Body], T]
    ) -> Iterator[T]:
        for offset in range(0, MOST_PAGES * page, page):
            answer = self._ask(partial(send, offset=offset))
            rows = read(answer, lambda body: [reader(row) for row in _objects(body, "data")])
            yield from rows
            if len(rows) < page:
                return


def _complaint(body: Body) -> Complaint:
    state = _STATES.get(text(body, "complaint_state"))
    if state is None:
        raise Odd("complaint_state")
    apply_refund_fen = body.get("apply_refund_amount")
    return Complaint(
        complaint_id=number(body, "complaint_id"),
        state=state,
        complained_at=moment(body, "complaint_time"),
        detail=_words(body, "complaint_detail"),
        payments=tuple(_payment(order) for order in _objects(body, "complaint_order_info")),
        times=_count(body, "user_complaint_times"),
        wants_refund=body.get("problem_type") == "REFUND",
        apply_refund_fen=apply_refund_fen if type(apply_refund_fen) is int and apply_refund_fen > 0 else None,
        is_fully_refunded=body.get("complaint_full_refunded") is True,
        awaits_reply=body.get("incoming_user_response") is True,
        tags=tuple(tag for tag in _list(body, "user_tag_list") if isinstance(tag, str)),
        pictures=_addresses(body),
        payer_id=_words(body, "payer_openid"),
        sealed_phone=_words(body, "payer_phone"),
    )


def _payment(order: Body) -> ComplainedPayment:
    amount = order.get("amount")
    if type(amount) is not int or amount < 0:
        raise Odd("amount")
    return ComplainedPayment(number(order, "out_trade_no"), number(order, "transaction_id"), amount)


def _entry(body: Body) -> ComplaintEntry:
    return ComplaintEntry(
        at=moment(body, "operate_time"),
        by=_words(body, "operator")[:64],
        action=text(body, "operate_type"),
        words=_words(body, "operate_details"),
        pictures=_addresses(body)
        or tuple(picture for picture in _list(body, "image_list") if isinstance(picture, str)),
    )


def _addresses(body: Body) -> tuple[str, ...]:
    """``complaint_media_list``: a list of groups of pictures; in a history a single group."""
    media = body.get("complaint_media_list")
    groups = [media] if isinstance(media, dict) else _list(body, "complaint_media_list")
    return tuple(
        address
        for group in groups
        if isinstance(group, dict)
        for address in _list(group, "media_url")
        if isinstance(address, str)
    )


def _objects(body: Body, name: str) -> list[Body]:
    items = _list(body, name)
    if not all(isinstance(item, dict) for item in items):
        raise Odd(name)
    return items


def _list(body: Body, name: str) -> list[Any]:
    value = body.get(name)
    return value if isinstance(value, list) else []


def _words(body: Body, name: str) -> str:
    """What people wrote: at most 2,000 characters, no NUL (PostgreSQL keeps none)."""
    value = body.get(name)
    return value.replace("\x00", "")[:2000] if isinstance(value, str) else ""


def _count(body: Body, name: str) -> int:
    value = body.get(name)
    return value if type(value) is int and value > 0 else 1


def _require_id(complaint_id: str) -> None:
    if not re.fullmatch(r"[0-9A-Za-z]{1,64}", complaint_id):
        raise ValueError("complaint_id must be letters and digits")


def _require_words(words: str, *, may_be_empty: bool = False) -> None:
    if len(words) > MOST_WORDS or (not words.strip() and not may_be_empty):
        raise ValueError(f"a complaint is answered in 1 to {MOST_WORDS} characters")


def _require_pictures(pictures: Sequence[str]) -> None:
    if len(pictures) > MOST_PICTURES:
        raise ValueError(f"at most {MOST_PICTURES} pictures")
