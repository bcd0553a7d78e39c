"""The example of docs/webhooks.md is run as it stands, on a letter that was really sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import clock
from integrations import endpoints, sending

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()


@pytest.fixture
def verify():
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    said: dict = {}
    exec(example, said)
    return said["verify"]


@pytest.mark.django_db
def test_the_example_verifies_what_we_send_and_nothing_else(listen, receiver, merchant, verify):
    endpoint, secret = listen("refund.approved")
    endpoints.ping(endpoint, by=merchant, at=clock.now())
    sending.sweep(at=clock.now())
    (one,) = receiver.heard
    assert verify(secret, one.headers, one.body)
    assert verify(secret, one.headers | {"webhook-signature": "v1,AAAA " + one.headers["webhook-signature"]}, one.body)
    assert not verify(secret, one.headers, one.body + b" ")
    assert not verify(secret, one.headers | {"webhook-id": "msg_other"}, one.body)
    assert not verify("whsec_" + "A" * 44, one.headers, one.body)
    old = str(int(one.headers["webhook-timestamp"]) - 301)
    assert not verify(secret, one.headers | {"webhook-timestamp": old}, one.body)


def test_what_the_page_promises_is_what_is_done():
    """The pauses, in words."""
    (words,) = re.findall(r"失败后在 (.*?)后重试", TEXT)
    minutes = {"秒": 1 / 60, "分": 1, "小时": 60}
    promised = [float(number) * minutes[unit] * 60 for number, unit in re.findall(r"(\d+) (秒|分|小时)", words)]
    assert promised == [pause.total_seconds() for pause in sending.PAUSES]
