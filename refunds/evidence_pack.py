"""证据包: everything about one case in a ZIP, for a channel's dispute desk, 12315 or a court (S1-18, S1-19, S4-18).

Each side gets what it may see of the case anyway, and nothing else. No code is opened for it. A signed list of hashes
lets whoever holds it check it without us (``records/check_pack.py``). Words are Chinese: that is who reads it.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.db.models import QuerySet
from django.utils import timezone

import records
from accounts import rights
from accounts.models import User
from accounts.rights import Act
from accounts.roles import Role
from orders import talk
from orders.models import OrderLine, ServiceReport
from orders.talk import Conversation
from records import chain, signing
from records.models import PackDownload
from refunds import lifecycle, order_record, reading, receipt
from refunds.models import Appeal, Disbursement, Evidence, Objection, PreCheck, Refund, RefundEvent
from refunds.order_record import OrderRecord
from shops import checking
from shops.models import CardCode, CodeEvent, CodeEventKind, SupplierAnswer

FORMAT = "cardshop-pack-1"
MOST_AN_HOUR = 20
MOST_MESSAGES = 1000  # the newest of the order's talk
MOST_PICTURES = 40
MOST_PICTURE_BYTES = 60 * 1024 * 1024  # of all of them together
SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
PROGRAMS = ("check_pack.py", "check_record.py")
NEVER_SHOWN = {"supplier", "supplier_sku"}
LOOKS = {CodeEventKind.REVEAL, CodeEventKind.LOOK}


class Side(enum.StrEnum):
    """Whose eyes a pack is for. ``PackDownload.made_for`` keeps it."""

    BUYER = "buyer"
    SHOP = "shop"
    STAFF = "staff"

    @property
    def sees_buyers_own(self) -> bool:
        """Contact, paying account, addresses and devices: the shop's pages show none of them."""
        return self is not Side.SHOP


def side_of(refund: Refund, user: User) -> Side | None:
    """None: to this person the case is not there (X7)."""
    roles = lifecycle.roles_on(refund, user)
    if Role.BUYER in roles:
        return Side.BUYER
    if Role.MERCHANT in roles:
        return Side.SHOP
    return Side.STAFF if roles and rights.may(user, Act.SEE, "refunds.refund") else None


@dataclass(frozen=True)
class Look:
    """One look at a code. ``ip`` and ``device`` are empty for whom they do not concern."""

    at: datetime
    kind: str
    ip: str
    device: str


@dataclass(frozen=True)
class GoodsInPack:
    """One order line asked about. ``code`` comes without its text, which nobody opened for this."""

    line: OrderLine
    refund_fen: int
    code: CardCode | None
    delivered_at: datetime | None
    looks: Sequence[Look]
    issuer: SupplierAnswer | None

    @property
    def page(self) -> dict[str, Any]:
        """商品页快照 as it was shown: who supplies it, and under which number, never was."""
        return {name: value for name, value in self.line.product_page.items() if name not in NEVER_SHOWN}


@dataclass(frozen=True)
class Picture:
    """``name`` in the pack; empty where it was left out, and ``why`` says why."""

    row: Any
    by: str
    at: datetime
    name: str
    why: str = ""


@dataclass(frozen=True)
class Plea:
    """What a side said against a verdict: the buyer's appeal, the shop's objection. For that side, and the platform."""

    at: datetime
    by: str
    text: str
    answer: str


@dataclass(frozen=True)
class Pack:
    """What a pack tells. ``notes``: (time, step, words), of which staff alone know."""

    refund: Refund
    side: Side
    reader: User
    at: datetime
    receipt: receipt.Receipt
    reason: str
    record: OrderRecord
    goods: Sequence[GoodsInPack]
    checks: Sequence[tuple[str, str]]
    statements: Sequence[tuple[datetime, str, str]]
    pictures: Sequence[Picture]
    reports: Sequence[tuple[datetime, str, str]]
    talk: Conversation
    disbursements: Sequence[Disbursement]
    pleas: Sequence[Plea]
    notes: Sequence[RefundEvent]


@dataclass(frozen=True)
class Written:
    """A pack on disk, at its beginning: whoever reads it to the end closes it, and it is gone."""

    file: IO[bytes]
    size_bytes: int
    manifest_digest: str


# --- what goes in -----------------------------------------------------------------------------------------------------


def gather(refund: Refund, *, side: Side, reader: User, at: datetime) -> Pack:
    """A number of queries that depends on the days of the order's record alone. ``refund`` comes with order (shop,
    policy) and payment (account)."""
    record = order_record.of(refund.order)
    given = list(refund.evidence.select_related("provided_by").order_by("created_at", "pk"))
    shown = list(
        ServiceReport.objects.filter(job__line__order=refund.order)
        .select_related("author")
        .order_by("at", "id")[: MOST_PICTURES * 5]
    )
    checks = PreCheck.objects.filter(refund=refund).first()
    return Pack(
        refund=refund,
        side=side,
        reader=reader,
        at=at,
        receipt=receipt.of(refund),
        reason=reading.reason_title(refund.reason),
        record=record,
        goods=_goods(refund, record, side, reader),
        checks=reading.weighed(checks.results) if checks else [],
        statements=[(row.created_at, _who(refund, row.provided_by), row.note) for row in given if row.note],
        pictures=list(_pictures(refund, given, shown)),
        reports=[(row.at, "商家" if row.by_shop else "买家", row.text) for row in shown if row.text],
        talk=talk.read(refund.order, most=MOST_MESSAGES),
        disbursements=list(Disbursement.objects.filter(refund=refund).select_related("attempt").order_by("pk")),
        pleas=list(_pleas(refund, side)),
        notes=list(_notes(refund)) if side is Side.STAFF else [],
    )


def _goods(refund: Refund, record: OrderRecord, side: Side, reader: User) -> list[GoodsInPack]:
    rows = list(
        refund.lines.select_related("order_line__delivery__code")
        .defer("order_line__delivery__code__sealed")
        .order_by("order_line__position")
    )
    deliveries = [getattr(row.order_line, "delivery", None) for row in rows]
    looks = _looks(record, side, reader)
    said = checking.latest(delivery.code_id for delivery in deliveries if delivery and delivery.code_id)
    return [
        GoodsInPack(
            line=row.order_line,
            refund_fen=row.amount_fen,
            code=delivery.code if delivery else None,
            delivered_at=delivery.delivered_at if delivery else None,
            looks=looks.get(delivery.code_id, []) if delivery else [],
            issuer=said.get(delivery.code_id) if delivery else None,
        )
        for row, delivery in zip(rows, deliveries, strict=True)
    ]


def _is_told(event: CodeEvent, side: Side, reader: User) -> bool:
    """Address and device are whose who looked: theirs, their own as a guest before, and the platform's to weigh."""
    if side is Side.BUYER and event.actor:
        return reader.pk in {event.actor_id, event.actor.claimed_by_id}
    return side is Side.STAFF


def _looks(record: OrderRecord, side: Side, reader: User) -> dict[Any, list[Look]]:
    """查看记录 of each code, out of the record that was read anyway."""
    found: dict[Any, list[Look]] = {}
    for event in (event for each in record.chains for event in each.events if isinstance(event, CodeEvent)):
        if event.kind in LOOKS:
            ip, device = (event.ip or "", event.device) if _is_told(event, side, reader) else ("", "")
            found.setdefault(event.code_id, []).append(Look(event.at, str(event.get_kind_display()), ip, device))
    return found


def _pictures(refund: Refund, given: Sequence[Evidence], shown: Sequence[ServiceReport]) -> Iterator[Picture]:
    """Both sides': each side is shown all of them on the case's page. Named by us, never as their files were."""
    left = MOST_PICTURE_BYTES
    rows = [(row.created_at, _who(refund, row.provided_by), row) for row in given if row.image]
    rows += [(row.at, "商家" if row.by_shop else "买家", row) for row in shown if row.image]  # type: ignore[misc]
    for number, (at, by, row) in enumerate(rows, start=1):
        size = _size(row)
        if size is None:
            yield Picture(row, by, at, "", "文件已不存在 / the file is gone")
        elif number > MOST_PICTURES or size > left:
            yield Picture(row, by, at, "", "超过证据包的大小 / beyond the size of a pack")
        else:
            left -= size
            suffix = SUFFIXES.get(row.content_type, "bin")
            yield Picture(row, by, at, f"pictures/{number:02d}-{NAMES[by]}.{suffix}")


NAMES = {"买家": "buyer", "商家": "shop", "平台": "platform"}


def _size(row: Any) -> int | None:
    try:
        return int(row.image.size)
    except OSError:
        return None


def _who(refund: Refund, user: User) -> str:
    if user.pk == refund.buyer_id or user.is_guest:  # a guest's, claimed since
        return "买家"
    return "平台" if user.is_staff else "商家"


def _pleas(refund: Refund, side: Side) -> Iterator[Plea]:
    appeal = Appeal.objects.filter(refund=refund).first() if side is not Side.SHOP else None
    objection = Objection.objects.filter(refund=refund).first() if side is not Side.BUYER else None
    if appeal:
        yield Plea(appeal.at, "买家申诉 Appeal", appeal.text, "")
    if objection:
        answer = f"{objection.get_verdict_display()} {objection.verdict_note}" if objection.verdict else ""
        yield Plea(objection.at, "商家异议 Objection", objection.text, answer)


def _notes(refund: Refund) -> QuerySet[RefundEvent]:
    return refund.events.exclude(note="").order_by("sequence")


# --- writing it -------------------------------------------------------------------------------------------------------


def write(pack: Pack, documents: Mapping[str, str]) -> Written:
    """The ZIP: ``documents`` (name → text) as the door wrote them, pictures, the record, the programs, the signed list.

    On disk, a piece at a time: what it holds is never in memory at once.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by whoever reads it to its end
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            inside = _Inside(archive, pack.at)
            for name, text in documents.items():
                inside.add(name, [text.encode()])
            inside.add("goods.json", [_json(_snapshots(pack))])
            inside.add("record.json", [_json(order_record.as_file(pack.record, reader=pack.reader))])
            for picture in pack.pictures:
                if picture.name:
                    with picture.row.image.open("rb") as image:
                        inside.add(picture.name, image.chunks(), is_packed=True)
            for program in PROGRAMS:
                inside.add(program, [(Path(records.__file__).parent / program).read_bytes()])
            statement = _statement(pack, inside.listed)
            inside.add("manifest.json", [_json(_signed(statement))])
    except BaseException:
        file.close()
        raise
    size = file.tell()
    file.seek(0)
    return Written(file, size, hashlib.sha256(chain.canonical(statement)).hexdigest())


def record_download(pack: Pack, written: Written) -> PackDownload:
    """Who took it: in the database before its first byte leaves."""
    return PackDownload.objects.create(
        about=pack.refund.refund_no,
        reader=pack.reader,
        made_for=pack.side.value,
        manifest_digest=written.manifest_digest,
        size_bytes=written.size_bytes,
        at=pack.at,
    )


def has_taken_many(reader: User, *, at: datetime) -> bool:
    """Whether somebody has had as many in an hour as one person may: each costs a second of ours."""
    return PackDownload.objects.filter(reader=reader, at__gt=at - timedelta(hours=1)).count() >= MOST_AN_HOUR


class _Inside:
    """Writes files into a ZIP and lists what it wrote."""

    def __init__(self, archive: zipfile.ZipFile, at: datetime) -> None:
        self.archive = archive
        self.moment = timezone.localtime(at).timetuple()[:6]
        self.listed: list[dict[str, Any]] = []

    def add(self, name: str, chunks: Any, *, is_packed: bool = False) -> None:
        info = zipfile.ZipInfo(name, self.moment)
        info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        digest, size = hashlib.sha256(), 0
        with self.archive.open(info, "w") as out:
            for chunk in chunks:
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self.listed.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})


def _statement(pack: Pack, listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "refund_no": pack.refund.refund_no,
        "order_no": pack.refund.order.order_no,
        "made_at": pack.at.astimezone(UTC).isoformat(timespec="seconds"),
        "made_for": pack.side.value,
        "files": list(listed),
        "left_out": [
            f"{picture.at.astimezone(UTC).isoformat(timespec='seconds')} {picture.why}"
            for picture in pack.pictures
            if picture.why
        ],
        "key_id": signing.signer().key_id,
    }


def _signed(statement: dict[str, Any]) -> dict[str, Any]:
    signature = signing.signer().sign(chain.canonical(statement))
    return {
        "statement": statement,
        "signature": base64.b64encode(signature).decode(),
        "keys": order_record.keys_in_file()["keys"],
    }


def _snapshots(pack: Pack) -> list[dict[str, Any]]:
    """商品页快照 as they were kept with the order, word for word."""
    return [{"position": item.line.position, "name": item.line.product_name, "page": item.page} for item in pack.goods]


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()
