"""证据包: all of one case for each side, no code in it, nothing of others, checked without us (S1-18, S1-19)."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

import clock
import images
from orders import talk
from records import check_pack
from records.models import PackDownload
from refunds import evidence_pack, lifecycle
from refunds.evidence_pack import Side

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def case(buy, reveal, apply, reviewer, merchant, buyer):
    """Refused, with talk, a picture, words that would like to be markup, and a code that was seen."""
    order = buy(price_fen=60000, quantity=2)
    codes = reveal(order)
    talk.say(order, f"{SCRIPT} =1+1", by=buyer, at=clock.now())
    talk.say(order, "请稍等", by=merchant, at=clock.now())
    refund = apply(order, description=f"11月20日兑换失败 {SCRIPT} {codes[0]}", contact="138 0000 0000")
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传截图")
    lifecycle.provide_evidence(
        refund, by=buyer, at=clock.now(), note=f"见图 {codes[0]}", images=[images.repaint(_png())]
    )
    refund.refresh_from_db()
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="截图看不出兑换时间，凭证不足")
    refund.refresh_from_db()
    refund.codes = codes
    return refund


@pytest.fixture
def download(client):
    def fetch(refund, user):
        client.force_login(user)
        answer = client.get(f"/refunds/{refund.refund_no}/pack.zip")
        assert answer.status_code == 200
        return b"".join(answer.streaming_content), answer.headers

    return fetch


def _png():
    canvas = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(canvas, "PNG")
    return canvas.getvalue()


def _files(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_buyer_has_it_all_and_no_code_in_clear(case, download, buyer):
    """S0-24, S1-18, S4-18; the canary is the code's own text (PM16, I15)."""
    data, headers = download(case, buyer)
    assert headers["Content-Disposition"] == f'attachment; filename="pack-{case.refund_no}.zip"'
    assert "no-store" in headers["Cache-Control"]
    files = _files(data)
    assert {
        "index.html", "receipt.html", "policy.txt", "policy.en.txt", "talk.txt", "goods.json", "record.json",
        "check_pack.py", "check_record.py", "manifest.json", "pictures/01-buyer.jpg",
    } == set(files)  # fmt: skip
    page = files["index.html"].decode()
    wanted = [
        case.order.order_no, case.payment.payment_no, case.payment.channel_transaction_id, "请稍等", "138 0000 0000",
        "截图看不出兑换时间，凭证不足", "203.0.113.7", "MicroMessenger", "pictures/01-buyer.jpg",
        "首次查看", "Evidence pack",
    ]  # fmt: skip
    assert [words for words in wanted if words not in page] == []
    everything = b"\n".join(files.values())
    assert [code for code in case.codes if code.encode() in everything] == []
    assert str(settings.MEDIA_ROOT).encode() not in everything
    assert b"supplier" not in files["goods.json"]


def test_what_people_wrote_is_words(case, download, buyer):
    """X6: no markup of theirs in any page, and the pages run no program at all."""
    files = _files(download(case, buyer)[0])
    for name in ("index.html", "receipt.html"):
        page = files[name].decode()
        assert "<script" not in page
        assert "default-src 'none'" in page
        assert "http" not in page.replace(settings.SITE_URL, "").replace("http-equiv", "").replace(
            "http://www.w3.org/2000/svg", ""
        )
    assert "&lt;script&gt;" in files["index.html"].decode()


def test_the_shop_and_the_platform_get_what_they_see(case, download, merchant, reviewer):
    shop, staff = _files(download(case, merchant)[0]), _files(download(case, reviewer)[0])
    page = b"\n".join(shop.values()).decode("utf-8", "ignore")
    withheld = ["138 0000 0000", "203.0.113.7", "MicroMessenger", case.payment.payment_no]
    assert [words for words in withheld if words in page] == []
    assert "receipt.html" not in shop
    assert "pictures/01-buyer.jpg" in shop  # the shop's page shows it as well
    assert all(words in staff["index.html"].decode() for words in withheld)
    assert "Notes of steps" in staff["index.html"].decode()


def test_it_is_not_there_for_others(case, client, stranger):
    """X7."""
    client.force_login(stranger)
    for page in ("receipt/", "pack/", "pack.zip", "next-steps/"):
        assert client.get(f"/refunds/{case.refund_no}/{page}").status_code == 404
    assert not PackDownload.objects.exists()


def test_who_took_it_is_kept(case, download, buyer):
    data, _headers = download(case, buyer)
    row = PackDownload.objects.get()
    assert (row.about, row.reader, row.made_for, row.size_bytes) == (case.refund_no, buyer, "buyer", len(data))
    statement = json.loads(_files(data)["manifest.json"])["statement"]
    assert row.manifest_digest == hashlib.sha256(check_pack.canonical(statement)).hexdigest()


def test_more_words_cost_no_more_queries_and_nobody_takes_packs_without_end(case, client, download, buyer, monkeypatch):
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            pack = evidence_pack.gather(_fresh(case), side=Side.BUYER, reader=buyer, at=clock.now())
            evidence_pack.write(pack, {}).file.close()
        counts.append(len(queries))
        for number in range(5):
            talk.say(case.order, f"第 {number} 次", by=buyer, at=clock.now())
    assert counts[0] == counts[1] < 30
    monkeypatch.setattr(evidence_pack, "MOST_AN_HOUR", 2)
    for _ in range(2):
        download(case, buyer)
    assert client.get(f"/refunds/{case.refund_no}/pack.zip").status_code == 429


def _fresh(case):
    rows = type(case).objects.select_related("order__shop", "order__policy", "payment__account", "buyer")
    return rows.get(pk=case.pk)


def test_what_is_too_much_is_named(case, buyer, monkeypatch):
    monkeypatch.setattr(evidence_pack, "MOST_PICTURE_BYTES", 1)
    pack = evidence_pack.gather(_fresh(case), side=Side.BUYER, reader=buyer, at=clock.now())
    with evidence_pack.write(pack, {}).file as file, zipfile.ZipFile(file) as archive:
        statement = json.loads(archive.read("manifest.json"))["statement"]
        assert not [name for name in archive.namelist() if name.startswith("pictures/")]
    assert len(statement["left_out"]) == 1


# --- checking it without us ------------------------------------------------------------------------------------------


def test_it_is_checked_by_the_standard_library_alone(case, download, buyer, tmp_path, client):
    """S1-19. The program that everybody downloads, with no package beside it, names what was changed."""
    path, program = tmp_path / "pack.zip", tmp_path / "check_pack.py"
    path.write_bytes(download(case, buyer)[0])
    program.write_bytes(b"".join(client.get("/records/check_pack.py").streaming_content))
    (tmp_path / "key.json").write_bytes(client.get("/records/key.json").content)

    def run(*words):
        told = [sys.executable, "-S", "-I", str(program), *map(str, words)]
        done = subprocess.run(told, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONIOENCODING": "utf-8"})
        return done.returncode, done.stdout + done.stderr

    assert run(path, tmp_path / "key.json")[0] == 0, run(path)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    assert run(folder)[0] == 0
    (folder / "policy.txt").write_bytes((folder / "policy.txt").read_bytes()[:-1] + b"!")
    (folder / "more.txt").write_text("added")
    (folder / "goods.json").unlink()
    code, said = run(folder)
    assert code == 1
    assert all(
        words in said for words in ("policy.txt: was changed", "more.txt: is not in the list", "goods.json: is missing")
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["statement"]["refund_no"] = "R00000000000000"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "the signature is wrong" in run(folder)[1]
    assert run(tmp_path / "nothing.zip")[0] == 1


def test_the_record_in_it_fits_too(case, download, buyer, tmp_path):
    with zipfile.ZipFile(io.BytesIO(download(case, buyer)[0])) as archive:
        archive.extractall(tmp_path)
    words = [sys.executable, "-I", "check_record.py", "record.json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("key", "message", "signature"),
    [  # RFC 8032, section 7.1, tests 1 and 3
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ],
)  # fmt: skip
def test_its_ed25519_is_the_one_of_the_standard(key, message, signature):
    words = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert check_pack.is_signed(*words)
    assert not check_pack.is_signed(words[0], words[1] + b"!", words[2])
    assert not check_pack.is_signed(words[0], words[1], words[2][:32] + bytes(32))
    assert not check_pack.is_signed(bytes(31) + b"\xff", words[1], words[2])
    assert not check_pack.is_signed(words[0], words[1], words[2][:-1])


# --- where else to turn ----------------------------------------------------------------------------------------------


def test_the_ways_outside_are_named_once_it_has_ended_against_the_buyer(case, client, buyer, reviewed):
    """S0-23, S3-15."""
    client.force_login(buyer)
    page = client.get(f"/refunds/{case.refund_no}/next-steps/").content.decode()
    assert [
        words for words in ("对订单有疑惑", "12315", "起诉", case.payment.payment_no, "pack/") if words not in page
    ] == []
    assert 'href="http' not in page
    running = reviewed()
    assert client.get(f"/refunds/{running.refund_no}/next-steps/").status_code == 302
    assert "next-steps" in client.get(f"/refunds/{case.refund_no}/").content.decode()
    assert "next-steps" not in client.get(f"/refunds/{running.refund_no}/").content.decode()


def test_the_programs_in_a_pack_are_ours_to_read():
    assert all((Path(check_pack.__file__).parent / name).is_file() for name in evidence_pack.PROGRAMS)
