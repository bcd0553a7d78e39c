"""`make lighthouse`: the steps of an application, measured as on a middling phone; writes docs/lighthouse.md.

Starts the demo in a folder of its own, logs in its buyer, begins an application, and lets Lighthouse look at each page.
Fails where accessibility is below 100. Lighthouse comes by npx, so Node 20 is needed; nothing else here needs it.
"""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.conftest import chromium_path
from tests.demo_stack import ROOT, demo, demo_folder

VERSION = "12.8.2"
RUNS = int(os.environ.get("RUNS", "3"))
BUYER = {"login": "buyer", "password": "cardshop-demo"}
CATEGORIES = {"performance": "性能 / performance", "accessibility": "无障碍 / accessibility",
              "best-practices": "最佳实践 / best practices"}  # fmt: skip
REPORT = ROOT / "docs" / "lighthouse.md"


class Browser:
    """Enough of one to log in and to fill in forms."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    @property
    def cookies(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)

    def get(self, path: str) -> tuple[str, str]:
        """(the path where it led to, the page)."""
        with self.opener.open(self.home + path, timeout=30) as answer:
            return urllib.parse.urlsplit(answer.url).path, answer.read().decode()

    def post(self, path: str, **fields: str) -> tuple[str, str]:
        _, page = self.get(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        body = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": token[1] if token else ""}).encode()
        request = urllib.request.Request(self.home + path, body, {"Referer": self.home + path})
        with self.opener.open(request, timeout=30) as answer:
            return urllib.parse.urlsplit(answer.url).path, answer.read().decode()


def main() -> int:
    npx = shutil.which("npx")
    if npx is None:
        sys.exit("✗ 需要 Node 20（npx）/ Node 20 with npx is needed")
    with demo_folder() as folder, demo(folder) as stack:
        stack.wait_until_ready()
        browser = Browser(stack.web)
        browser.post("/accounts/login/", **BUYER)
        scores = {
            name: measured(npx, stack.web + path, browser.cookies) for name, path in pages_of_an_application(browser)
        }
    REPORT.write_text(report(scores), encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))
    return int(any(each["accessibility"] < 100 for each in scores.values()))


def pages_of_an_application(browser: Browser) -> list[tuple[str, str]]:
    """(name, path) of each step, of an order that a person has to look at; and of one tap."""
    _, page = browser.get("/orders/")
    orders = list(dict.fromkeys(re.findall(r'href="(/orders/[0-9A-Z]{8,20}/)"', page)))
    found: dict[str, str] = {}
    for order in orders:
        first = f"{order}refund/"
        where, page = browser.get(first)
        if where != first:
            continue
        if "一键退款" in page:
            found.setdefault("一键退款 / one tap", f"{first}one-tap/")
        if 'value="invalid_code"' in page and "① 原因 / reason" not in found:
            where, _ = browser.post(first, reason="invalid_code", lines="1")
            if where == f"{first}material/":
                found |= {"① 原因 / reason": first, "② ③ 经过与凭证 / what happened, with pictures": where,
                          "④ 金额与方式 / how much, where to": f"{first}money/",
                          "⑤ 核对 / check the answers": f"{first}check/"}  # fmt: skip
    if len(found) < 5:
        sys.exit(f"✗ 演示里没有合适的订单 / the demo has no orders that fit: {sorted(found)}")
    return sorted(found.items(), key=lambda item: "①②④⑤一".index(item[0][0]))


def measured(npx: str, address: str, cookies: str) -> dict[str, int]:
    """{category: the median score of the runs, of 100}."""
    runs = [run(npx, address, cookies) for _ in range(RUNS)]
    return {name: round(statistics.median(each[name] for each in runs)) for name in CATEGORIES}


def run(npx: str, address: str, cookies: str) -> dict[str, float]:
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = chromium_path(playwright.chromium.executable_path)
        output = Path(folder) / "report.json"
        command = [
            npx, "--yes", f"lighthouse@{VERSION}", address, "--quiet", "--output=json", f"--output-path={output}",
            f"--only-categories={','.join(CATEGORIES)}", "--form-factor=mobile", "--locale=zh",
            f"--extra-headers={json.dumps({'Cookie': cookies, 'Accept-Language': 'zh-CN'})}",
            "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage",
        ]  # fmt: skip
        subprocess.run(command, env=os.environ | {"CHROME_PATH": chromium}, check=True, timeout=300)
        said = json.loads(output.read_text(encoding="utf-8"))
    for audit in failed(said):
        print("  ", audit)
    return {name: 100 * (said["categories"][name]["score"] or 0) for name in CATEGORIES}


def failed(said: dict) -> list[str]:
    """What the accessibility and best-practice audits complain of."""
    refs = [ref["id"] for name in ("accessibility", "best-practices") for ref in said["categories"][name]["auditRefs"]]
    return [f"{key}: {said['audits'][key]['title']}" for key in refs if said["audits"][key]["score"] == 0]


def report(scores: dict[str, dict[str, int]]) -> str:
    rows = [f"| {name} | {' | '.join(str(each[key]) for key in CATEGORIES)} |" for name, each in scores.items()]
    return "\n".join(
        [
            "# 申请退款各页的 Lighthouse 得分 · Lighthouse on the pages of an application",
            "",
            f"`make lighthouse` 生成，不要手改。Lighthouse {VERSION}，手机模拟（慢速 4G，四倍减速的处理器），"
            f"每页 {RUNS} 次取中位数；对象是 `make demo` 的演示，买家已登录。",
            "",
            f"Made by `make lighthouse`; do not edit. Lighthouse {VERSION}, a simulated phone (slow 4G, a processor"
            f" slowed down four times), the median of {RUNS} runs; the demo of `make demo`, with its buyer logged in.",
            "",
            f"| 页面 / page | {' | '.join(CATEGORIES.values())} |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
