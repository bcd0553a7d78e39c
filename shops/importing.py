"""批量入库: a shop's file of codes, sealed as it comes, checked line by line, and taken in whole or not at all.

    step        from                 to          who
    upload      –                    CHECKING    the shop
    checked     CHECKING             CHECKED     system: every line was read, sealed and compared
    confirm     CHECKED              IMPORTING   the shop, for the number of lines that it was shown
    imported    IMPORTING            IMPORTED    system, in one transaction
    turn_back   IMPORTING            CHECKED     system: a line has become known meanwhile, or it could not be done
    discard     CHECKING, CHECKED    DISCARDED   the shop; system after a week without an answer

The request keeps the sealed file and nothing else; a worker does the rest, in turns that each start where the last one
was committed. No text rests in clear: the file is sealed whole, each line under the key of the code that it becomes
(I15). Staged rows go when the import is over.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

import workqueue
from accounts.models import User
from notices import telling
from notices.models import Notice
from shops import rights, spreadsheets, stock, stock_lines, vault
from shops.models import CardCode, Fulfilment, ImportStatus, Product, StagedCode, StagedFile, StockImport
from shops.spreadsheets import UnusableFile
from shops.stock_lines import PROBLEMS, Line

log = logging.getLogger(__name__)
SWEEP = "shops.sweep"
BATCH = 1000
TURN = 20_000  # lines checked by one turn of a worker, which then looks whether anything else is due
LEASE = timedelta(minutes=2)
MOST_TRIES = 6
MOST_OPEN = 10  # imports of one shop that wait for its word
ANSWER_WITHIN = timedelta(days=7)
MOST_SHOWN = 100

Item = TypeVar("Item")


class CannotImport(Exception):
    """Not now, not so. ``code`` is for us, the message for the shop."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# --- the shop's steps -------------------------------------------------------------------------------------------------


def upload(product: Product, data: bytes, *, file_name: str, by: User, at: datetime) -> StockImport:
    """上传. Seals the file; a worker reads it. Raises CannotImport, or UnusableFile if it cannot be a list at all."""
    if product.fulfilment != Fulfilment.CODES:
        raise CannotImport("not_codes", _("这件商品不发卡密，不需要入库。"))
    lines = spreadsheets.examine(data)
    open_ones = StockImport.objects.filter(product__shop_id=product.shop_id, next_due_at__isnull=False)
    if open_ones.count() >= MOST_OPEN:
        raise CannotImport("too_many", _("还有 %(n)d 个批次等待确认，请先确认或放弃。") % {"n": MOST_OPEN})
    with transaction.atomic():
        rights.demand(by, product.shop, "stock")
        row = StockImport.objects.create(
            product=product,
            uploaded_by=by,
            file_name=_tidy(file_name),
            line_count=lines,
            uploaded_at=at,
            next_due_at=at,
        )
        sealed = vault.keyring(settings.CARD_KEYS_FILE).seal_file(data, bound_to=binding(row.pk, product.shop_id))
        StagedFile.objects.create(stock_import=row, sealed=sealed.ciphertext, key_id=sealed.key_id)
        workqueue.ring(SWEEP)
    return row


def confirm(stock_import: StockImport, *, good: int, is_part: bool, by: User, at: datetime) -> None:
    """确认入库 of the ``good`` lines that were shown. ``is_part``: knows that the others are left out."""
    with transaction.atomic():
        row = _locked(stock_import)
        rights.demand(by, row.product.shop, "stock")
        if row.status != ImportStatus.CHECKED:
            raise CannotImport("wrong_status", _("这个批次%(status)s。") % {"status": row.get_status_display()})
        if good_count(row) != good or not good:
            raise CannotImport("changed", _("可入库的数量有变化，请核对后再确认。"))
        if row.problem_count and not is_part:
            raise CannotImport(
                "problems", _("有 %(n)d 行有问题。若只入库其余各行，请勾选。") % {"n": row.problem_count}
            )
        _write(row, ImportStatus.IMPORTING, next_due_at=at, confirmed_by=by, done_count=0)
        workqueue.ring(SWEEP)


def discard(stock_import: StockImport, *, by: User | None) -> None:
    """放弃. Nothing of the file is kept but its name and how many lines it had. ``by`` nobody: it lapsed."""
    with transaction.atomic():
        row = _locked(stock_import)
        if by is not None:
            rights.demand(by, row.product.shop, "stock")
        if row.status not in {ImportStatus.CHECKING, ImportStatus.CHECKED}:
            raise CannotImport("wrong_status", _("这个批次%(status)s。") % {"status": row.get_status_display()})
        _clear(row)
        _write(row, ImportStatus.DISCARDED, next_due_at=None)


def good_count(stock_import: StockImport) -> int:
    """可入库的行数, once every line was checked."""
    return stock_import.line_count - stock_import.problem_count


def problems(stock_import: StockImport) -> list[tuple[int, str]]:
    """The first hundred problems, by line; line 0 is the file as a whole. Never a text."""
    rows = stock_import.lines.exclude(problem="").order_by("line_number").values_list("line_number", "problem")
    return [(number, str(PROBLEMS[problem])) for number, problem in rows[:MOST_SHOWN]]


# --- the worker's turns -----------------------------------------------------------------------------------------------


def sweep(at: datetime) -> int:
    """One turn on whatever is due. Returns how many imports it had a turn at."""
    with transaction.atomic():
        claimed = workqueue.claim(StockImport.objects.all(), at=at, limit=1, lease=LEASE)
    for row in claimed:
        try:
            TURNS[ImportStatus(row.status)](row, at)
        except OperationalError as error:
            # Somebody holds a row of ours for long: the lease runs out, and we come again.
            log.warning("stock import %s waits: %s", row.pk, type(error).__name__)
        except Exception as error:
            log.error("stock import %s failed: %s", row.pk, type(error).__name__)  # its words could hold a code
            _try_again(row, at)
    return len(claimed)


def _check(row: StockImport, at: datetime) -> None:
    """检查: read, seal and compare the next lines. What was committed is not read again."""
    product = Product.objects.get(pk=row.product_id)
    last = row.lines.aggregate(last=Max("line_number"))["last"] or 0
    today = timezone.localdate(at)
    seen = 0
    with closing(spreadsheets.rows(_opened(row, product.shop_id))) as rows:
        lines = stock_lines.read(rows, kind=product.kind, today=today)
        try:
            for batch in _batches(islice((line for line in lines if line.number > last), TURN)):
                seen += len(batch)
                if not _stage(row, product, batch):
                    return
        except UnusableFile as unusable:
            _refuse_file(row, unusable.code, at)
            return
    _settle(row, at, is_over=seen < TURN)


def _stage(row: StockImport, product: Product, batch: Sequence[Line]) -> bool:
    """Seal these lines, and find those that are known. False if the shop has given the import up."""
    staged = [StagedCode(stock_import=row, line_number=line.number, problem=line.problem) for line in batch]
    for code, line in zip(staged, batch, strict=True):
        if line.text:
            stock.seal_for(code, line.text, shop_id=product.shop_id)
            code.valid_until = line.valid_until
    _mark(staged, _known([code.fingerprint for code in staged], product.shop_id))
    _mark_repeated(staged, row)
    with transaction.atomic():
        if _locked(row).status != ImportStatus.CHECKING:
            return False
        StagedCode.objects.bulk_create(staged)
        bad = sum(bool(code.problem) for code in staged)
        row.done_count, row.problem_count = row.done_count + len(staged), row.problem_count + bad
        StockImport.objects.filter(pk=row.pk).update(done_count=row.done_count, problem_count=row.problem_count)
    return True


def _settle(row: StockImport, at: datetime, *, is_over: bool) -> None:
    """The turn is over, or with it the whole file."""
    with transaction.atomic():
        locked = _locked(row)
        if locked.status != ImportStatus.CHECKING:
            return
        if not is_over:
            _write(locked, ImportStatus.CHECKING, next_due_at=at, line_count=max(locked.line_count, locked.done_count))
        elif locked.done_count == 0:
            _write_refusal(locked, "file_empty", at)
        else:
            _write(locked, ImportStatus.CHECKED, next_due_at=at + ANSWER_WITHIN, line_count=locked.done_count)
            StagedFile.objects.filter(stock_import=row).delete()
            bad = locked.problem_count
            _tell(locked, "import_checked", at, good=locked.done_count - bad, bad=bad, days=ANSWER_WITHIN.days)


def _import(row: StockImport, at: datetime) -> None:
    """入库, all or nothing. Killed half-way, nothing is there, and the next turn begins anew."""
    try:
        with transaction.atomic(), _told_aside(row) as told:
            if not _is_mine(row):
                return
            stock.take_in(row, by=_confirmed_by(row), at=at, told=told)
            locked = _locked(row)
            _clear(locked)
            _write(locked, ImportStatus.IMPORTED, next_due_at=None, imported_at=at, done_count=good_count(locked))
            _tell(locked, "import_imported", at, count=good_count(locked))
    except IntegrityError:
        if not _turn_back(row, at):
            raise


def _lapse(row: StockImport, at: datetime) -> None:
    """Nobody has answered for a week."""
    discard(row, by=None)


TURNS: dict[ImportStatus, Callable[[StockImport, datetime], None]] = {
    ImportStatus.CHECKING: _check,
    ImportStatus.IMPORTING: _import,
    ImportStatus.CHECKED: _lapse,
}


def _turn_back(row: StockImport, at: datetime) -> int:
    """A line has become known since it was checked: the shop decides anew. Returns how many such lines there are."""
    found, last = 0, 0
    with transaction.atomic():
        locked = _locked(row)
        if locked.status != ImportStatus.IMPORTING:
            return 1  # another worker was faster
        shop_id = Product.objects.values_list("shop_id", flat=True).get(pk=row.product_id)
        good = StagedCode.objects.filter(stock_import=row, problem="").defer("sealed").order_by("line_number")
        while batch := list(good.filter(line_number__gt=last)[:BATCH]):
            last = batch[-1].line_number
            _mark(batch, _known([code.fingerprint for code in batch], shop_id))
            bad = [code for code in batch if code.problem]
            StagedCode.objects.bulk_update(bad, ["problem", "sealed", "key_id", "fingerprint"])
            found += len(bad)
        if found:
            more = locked.problem_count + found
            _write(locked, ImportStatus.CHECKED, next_due_at=at + ANSWER_WITHIN, problem_count=more, confirmed_by=None)
            _tell(locked, "import_turned_back", at)
    return found


def _try_again(row: StockImport, at: datetime) -> None:
    """Later, ever more slowly; what always fails goes back to the shop (F12)."""
    with transaction.atomic():
        locked = _locked(row)
        if locked.next_due_at is None:
            return
        locked.tries += 1
        if locked.tries < MOST_TRIES:
            due_at = at + timedelta(seconds=10 * 2**locked.tries)
            StockImport.objects.filter(pk=row.pk).update(tries=locked.tries, next_due_at=due_at, leased_until=None)
        elif locked.status == ImportStatus.CHECKING:
            _write_refusal(locked, "file_unreadable", at)
        else:
            _write(locked, ImportStatus.CHECKED, next_due_at=at + ANSWER_WITHIN, confirmed_by=None)
            _tell(locked, "import_turned_back", at)


def _refuse_file(row: StockImport, code: str, at: datetime) -> None:
    with transaction.atomic():
        locked = _locked(row)
        if locked.status == ImportStatus.CHECKING:
            _write_refusal(locked, code, at)


def _write_refusal(locked: StockImport, code: str, at: datetime) -> None:
    """Checked, and nothing of it can be taken in: line 0 says why."""
    _clear(locked)
    StagedCode.objects.create(stock_import=locked, line_number=0, problem=code)
    _write(locked, ImportStatus.CHECKED, next_due_at=at + ANSWER_WITHIN, line_count=0, problem_count=0, done_count=0)
    _tell(locked, "import_refused", at)


# --- what is known ----------------------------------------------------------------------------------------------------


def _known(fingerprints: Iterable[bytes | memoryview | None], shop_id: int) -> dict[bytes, str]:
    """Which of these texts live somewhere in the marketplace, and what that is called (P13)."""
    asked = [fingerprint for fingerprint in fingerprints if fingerprint]
    living = CardCode.objects.filter(fingerprint__in=asked, restocked_as=None)
    found = living.values_list("fingerprint", "product__shop_id")
    return {bytes(print_): "known_here" if owner == shop_id else "known_elsewhere" for print_, owner in found}


def _mark(staged: Iterable[StagedCode], known: dict[bytes, str]) -> None:
    for code in staged:
        if code.fingerprint and (problem := known.get(bytes(code.fingerprint))):
            _spoil(code, problem)


def _mark_repeated(staged: Sequence[StagedCode], row: StockImport) -> None:
    """The second and every later line of the same text, in this batch or after one that was staged before."""
    prints = [code.fingerprint for code in staged if code.fingerprint]
    before = row.lines.filter(fingerprint__in=prints).values_list("fingerprint", flat=True)
    seen = {bytes(print_) for print_ in before if print_}
    for code in staged:
        if not code.fingerprint:
            continue
        if bytes(code.fingerprint) in seen:
            _spoil(code, "repeated")
        else:
            seen.add(bytes(code.fingerprint))


def _spoil(code: StagedCode, problem: str) -> None:
    """A line with a problem keeps nothing of its text."""
    code.problem, code.sealed, code.key_id, code.fingerprint = problem, None, "", None


# --- rows -------------------------------------------------------------------------------------------------------------


def binding(import_id: int, shop_id: int) -> str:
    """What a file's ciphertext is bound to."""
    return f"shops_stagedfile|sealed|{import_id}|{shop_id}"


def _opened(row: StockImport, shop_id: int) -> bytes:
    file = StagedFile.objects.get(stock_import=row)
    sealed = vault.Sealed(bytes(file.sealed), file.key_id)
    return vault.keyring(settings.CARD_KEYS_FILE).open_file(sealed, bound_to=binding(row.pk, shop_id))


def _locked(row: StockImport) -> StockImport:
    return StockImport.objects.select_for_update(no_key=True).get(pk=row.pk)


def _is_mine(row: StockImport) -> bool:
    """Until this transaction ends, no other worker takes this import in; and it is still to be taken in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('shops_stockimport'), %s)", [row.pk])
        (is_free,) = cursor.fetchone()
    return bool(is_free) and StockImport.objects.filter(pk=row.pk, status=ImportStatus.IMPORTING).exists()


def _confirmed_by(row: StockImport) -> User:
    assert row.confirmed_by is not None
    return row.confirmed_by


@contextmanager
def _told_aside(row: StockImport) -> Iterator[Callable[[int], None]]:
    """How far a transaction is that nobody can look into yet, written on a connection of its own."""
    aside = connection.copy()

    def told(done: int) -> None:
        with aside.cursor() as cursor:
            cursor.execute("UPDATE shops_stockimport SET done_count = %s WHERE id = %s", [done, row.pk])

    try:
        yield told
    finally:
        aside.close()


def _write(locked: StockImport, status: ImportStatus, **columns: object) -> None:
    columns |= {"status": status, "leased_until": None, "tries": 0}
    StockImport.objects.filter(pk=locked.pk).update(**columns)


def _tell(locked: StockImport, kind: str, at: datetime, **numbers: int) -> None:
    """Tell who uploaded it, in the transaction of the step: once a step. Numbers alone, nothing of the file."""
    product = Product.objects.select_related("shop").get(pk=locked.product_id)
    if not rights.may(locked.uploaded_by, product.shop, "stock"):
        return  # has left the shop, or its stock, since
    notice = Notice(
        recipient_id=locked.uploaded_by_id,
        kind=kind,
        params={"product": product.name, **numbers},
        path=f"/shop/imports/{locked.pk}/",
        source=f"stock-import:{locked.pk}:{kind}:{at:%y%m%d%H%M%S}",
        created_at=at,
    )
    telling.tell([notice])  # no notice is worth an import that fails


def _clear(locked: StockImport) -> None:
    """Everything that was staged for this import."""
    StagedFile.objects.filter(stock_import=locked).delete()
    staged = StagedCode.objects.filter(stock_import=locked)
    staged._raw_delete(staged.db)  # nothing hangs on these rows; Django would fetch each of them first


def _tidy(file_name: str) -> str:
    """A name to recognize the file by."""
    return re.sub(r"[\x00-\x1f\x7f]", "", file_name).replace("\\", "/").rpartition("/")[2][:120] or "-"


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, BATCH)):
        yield batch
