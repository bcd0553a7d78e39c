"""`make screenshots`: pictures of a refund's life, by role; writes docs/screens/ and docs/screens.md.

Starts the demo in a folder of its own (or looks at one that runs: CARDSHOP_DATA of it as ``RUNNING``), logs in as each
role and looks at each page of a case. It only looks: no form is sent. Words in the command line choose pictures by
their names; ``PNG=folder`` puts them there instead, to be looked at.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.demo_stack import ROOT, demo, demo_folder, own_environment
from tests.screens import CHAPTERS, Chapter, Shot

FOLDER = ROOT / "docs" / "screens"
BOOK = ROOT / "docs" / "screens.md"
PASSWORD = "cardshop-demo"  # noqa: S105 - public, and refused outside the demo
PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1280, "height": 800}
TALLEST = {375: 3600, 1280: 3200}  # pixels of a picture; what is longer ends there
COLORS = 256  # few colors without loss are smaller than many with it, and letters stay sharp
BESIDE = 3  # phones in a row
MOST_BYTES = 4_000_000
LOOK_AGAIN = """async () => {
  const images = [...document.images];
  images.forEach(image => { image.loading = 'eager'; });
  await Promise.all(images.map(image => image.decode().catch(() => null)));
  return document.documentElement.scrollHeight;
}"""


def main(words: list[str]) -> int:
    chosen = [
        (chapter, shot)
        for chapter in CHAPTERS
        for shot in chapter.shots
        if not words or any(word in shot.name for word in words)
    ]
    with looked_at() as (home, env):
        cases = asked(env)
        with sync_playwright() as playwright:
            from tests.conftest import chromium_path  # it sets an environment that a demo must not inherit

            path = chromium_path(playwright.chromium.executable_path)
            browser = playwright.chromium.launch(executable_path=path, args=["--lang=zh-CN"])
            faults = take(browser, home, cases, chosen)
            browser.close()
    if not words and "PNG" not in os.environ:
        for path in FOLDER.glob("*.webp"):
            if path.stem not in names():
                path.unlink()
    BOOK.write_text(book(), encoding="utf-8")
    size = sum(path.stat().st_size for path in FOLDER.glob("*.webp"))
    print(f"{len(chosen)} 张图片 / pictures, {size / 1e6:.1f} MB", *faults, sep="\n")
    return int(bool(faults) or size > MOST_BYTES)


# --- the demo ---------------------------------------------------------------------------------------------------------


@contextmanager
def looked_at() -> Iterator[tuple[str, dict[str, str]]]:
    """(address, the environment in which ``manage.py`` speaks to it) of a demo."""
    if data := os.environ.get("RUNNING"):
        yield _address(Path(data)), own_environment() | {"CARDSHOP_DATA": data}
        return
    with demo_folder() as folder, demo(folder) as stack:
        stack.wait_until_ready()
        yield stack.web, own_environment() | {"CARDSHOP_DATA": str(folder)}


def _address(data: Path) -> str:
    return str(json.loads((data / "demo.json").read_text())["web"])


def asked(env: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What ``tell`` says inside the demo: each case by the name that ``Shot.of`` calls it."""
    told = "from tests import screenshots; screenshots.tell()"
    command = [sys.executable, "-m", "cardshop.demo", "shell", "-c", told]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout[done.stdout.index("{") :])  # type: ignore[no-any-return]


def tell() -> None:
    """Run inside the demo: print the cases that the pictures are of."""
    from refunds.models import Objection, Refund
    from support.models import ShopComplaint, Ticket

    cases = Refund.objects.filter(cancellation=None).select_related("order", "buyer").order_by("pk")

    def of(number: int = -1, **what: Any) -> dict[str, Any]:
        return _facts(list(cases.filter(**what))[number])

    found = {
        "shop_asked": of(status="merchant_review"),
        "offered": of(status="offered"),
        "evidence": of(status="awaiting_evidence", queue="buyer"),
        "shop_evidence": of(status="awaiting_evidence", queue="merchant"),
        "late": of(0, status="first_review"),
        "review": of(-2, status="first_review"),
        "second_review": of(status="second_review"),
        "rejected": of(status="rejected"),
        "appealed": of(status="appeal_review"),
        "redirected": of(status="redirect_signed"),
        "arrived": of(0, status="arrived"),
        "objected": of(pk=Objection.objects.get().refund_id),
    }
    found |= {name: of(status=name) for name in ("approved", "paid_out", "replaced")}
    found |= {name: of(0, status=name) for name in ("processing", "returned")}
    found |= {"withdrawn": of(status="withdrawn"), "fresh": _fresh()}
    for ticket in Ticket.objects.select_related("buyer"):
        found[f"ticket_{ticket.status}"] = {"no": ticket.ticket_no, "pk": ticket.pk, "who": ticket.buyer.username}
    for row in ShopComplaint.objects.select_related("buyer"):
        found[f"complaint_{row.status}"] = {"no": row.complaint_no, "pk": row.pk, "who": row.buyer.username}
    print(json.dumps(found | _of_finance()))


def _of_finance() -> dict[str, Any]:
    from payments.models import ChannelAccount, Transfer
    from reconciliation.models import Discrepancy
    from refunds.models import PayoutBatch

    rows = {
        "batch": PayoutBatch.objects.get(status="proposed"),
        "transfer": Transfer.objects.get(status="requested"),
        "short": ChannelAccount.objects.get(short_since__isnull=False),
        "difference": Discrepancy.objects.get(kind="only_theirs"),
    }
    return {name: {"pk": str(row.pk)} for name, row in rows.items()}


def _facts(refund: Any) -> dict[str, Any]:
    return {
        "no": refund.refund_no, "pk": refund.pk, "who": refund.buyer.username, "buyer_pk": refund.buyer_id,
        "order": refund.order.order_no, "shop_pk": refund.order.shop_id,
    }  # fmt: skip


def _fresh() -> dict[str, Any]:
    """The order with a coupon: it was delivered and seen, and nobody asked anything back."""
    from orders.models import Order

    rows = Order.objects.filter(refunds=None, buyer__username="buyer2", coupon_use__isnull=False)
    order = rows.select_related("buyer").latest("pk")
    return {"order": order.order_no, "who": order.buyer.username}


# --- the pictures -----------------------------------------------------------------------------------------------------


def take(browser: Any, home: str, cases: dict[str, dict[str, Any]], chosen: list[tuple[Chapter, Shot]]) -> list[str]:
    """Each picture into its file. Returns what could not be looked at, or is wider than its screen."""
    FOLDER.mkdir(exist_ok=True)
    sessions: dict[str, Any] = {"stranger": None}
    faults = []
    for chapter, shot in chosen:
        case = cases.get(shot.of, {})
        who = shot.who or case["who"]
        if who not in sessions:
            sessions[who] = logged_in(browser, home, who)
        size = PHONE if chapter.size == "phone" else DESKTOP
        context = _context(browser, size, "dark" if shot.dark else "light", sessions[who])
        page = context.new_page()
        answer = page.goto(home + shot.path.format(**case), wait_until="networkidle")
        if shot.act:
            shot.act(page)
        if answer is None or answer.status != 200:
            faults.append(f"✗ {shot.name}: {answer.status if answer else ''} {page.url}")
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append(f"✗ {shot.name}: 超出屏幕 / wider than the screen")
        if shot.act is None or chapter.size == "phone":  # as tall as the page: what sticks to an edge is at its end
            page.set_viewport_size({"width": size["width"], "height": max(size["height"], page.evaluate(LOOK_AGAIN))})
            page.wait_for_load_state("networkidle")
        _keep(page.screenshot(), shot.name)
        context.close()
    return faults


def logged_in(browser: Any, home: str, who: str) -> Any:
    """The cookies of somebody who logged in as a person does."""
    context = _context(browser, DESKTOP, "light", None)
    page = context.new_page()
    page.goto(f"{home}/accounts/login/")
    page.locator("input[name=login]").fill(who)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button").first.click()
    page.wait_for_url(lambda url: "/login/" not in url)
    state = context.storage_state()
    context.close()
    return state


def _context(browser: Any, size: dict[str, int], scheme: str, state: Any) -> Any:
    return browser.new_context(
        viewport=size, color_scheme=scheme, locale="zh-CN", timezone_id="Asia/Shanghai", reduced_motion="reduce",
        storage_state=state,
    )  # fmt: skip


def _keep(png: bytes, name: str) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST[picture.width])))
    if folder := os.environ.get("PNG"):
        picture.save(Path(folder) / f"{name}.png")
    else:
        few = picture.quantize(palette=_palette(picture), dither=Image.Dither.NONE)
        few.convert("RGB").save(FOLDER / f"{name}.webp", lossless=True, quality=80, method=4)


def _palette(picture: Image.Image) -> Image.Image:
    """The picture's commonest colors as they are: a ground that is a little off would lie about the design."""
    found = sorted(picture.getcolors(picture.width * picture.height) or [], reverse=True)[:COLORS]
    colors = [channel for _, color in found for channel in color]  # type: ignore[union-attr]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colors + colors[:3] * (COLORS - len(found)))
    return palette


# --- the book ---------------------------------------------------------------------------------------------------------


def names() -> list[str]:
    return [shot.name for chapter in CHAPTERS for shot in chapter.shots]


def book() -> str:
    """docs/screens.md: every picture by role, Chinese first with English beside it."""
    lines = [
        "# 一笔退款的一生，看图 · A refund's life in pictures",
        "",
        "`make screenshots` 生成，不要手改。对象是 `make demo` 的演示数据。除工作台外，每一页不用脚本也能用；"
        "选文件的按钮与时间框上的字，由拍照的浏览器而定。",
        "",
        "Made by `make screenshots`; do not edit. The data are those of `make demo`. Every page but the staff desk's"
        " works without scripts; what a button for files and a field for a time say is the browser's own.",
    ]
    for chapter in CHAPTERS:
        lines += ["", f"## {chapter.title}", "", chapter.zh, "", chapter.en, ""]
        beside = BESIDE if chapter.size == "phone" else 1
        for start in range(0, len(chapter.shots), beside):
            lines += _row(chapter.shots[start : start + beside], beside)
    return "\n".join(lines).rstrip() + "\n"


def _row(shots: tuple[Shot, ...], beside: int) -> list[str]:
    """A table of pictures beside each other, what they show above them; one alone needs no table."""
    if beside == 1:
        return [line for shot in shots for line in (f"**{shot.zh}** · {shot.en}", "", _picture(shot), "")]
    blanks = [""] * (beside - len(shots))
    heads, pictures = [f"{shot.zh}<br>{shot.en}" for shot in shots], [_picture(shot) for shot in shots]
    return [_cells(heads + blanks), "|" + "---|" * beside, _cells(pictures + blanks), ""]


def _cells(texts: list[str]) -> str:
    return "|" + "".join(f" {text} |" for text in texts)


def _picture(shot: Shot) -> str:
    return f"![{shot.zh}](screens/{shot.name}.webp)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
