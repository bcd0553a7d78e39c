"""Notifications with something wrong, by the thousand, through the shop's own view: bytes flipped, cut or doubled,
headers exchanged, genuine ones replayed. None is accepted, none breaks anything, and nobody is called (G13, G14).
"""

from __future__ import annotations

import logging
import random
import time

import pytest
from django.test import Client

from payments.gateways.base import NotificationRefused
from payments.models import ChannelNotification
from tests.cases import attempt_of, everything
from tests.faults.stories import later, look

MOST_SECONDS_OF_A_LETTER = 240  # WeChat's live five minutes: long runs get fresh ones


@pytest.mark.django_db
def test_two_thousand_mutants(genuine, recorder, silence):
    bombard(genuine(), recorder, random.Random(20261122), count=2000)


@pytest.mark.nightly
@pytest.mark.django_db
def test_a_hundred_thousand_mutants(genuine, recorder, silence):
    """R6, with a new seed each night; a failure names it."""
    seed = time.time_ns()
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(20):
        bombard(genuine(), recorder, chance, count=5000)


@pytest.fixture
def silence():
    """A warning for each would be most of the work."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def genuine(sent, letters, simulator):
    """A payment's and a refund's notification of each channel, delivered once; each call makes new ones."""

    def make():
        found = []
        for channel in ("wechat", "alipay"):
            refund = sent(channel, price_fen=300, one_click_daily_cap_fen=10**9)
            attempt = attempt_of(refund)
            look(refund)
            if channel == "wechat":
                simulator.settle(attempt.request_no, "SUCCESS")
            found += [letters.of_payment(attempt.payment), letters.about(attempt)]
        for letter in found:
            assert letter.deliver() < 300
        while later(1):
            pass
        return found

    return make


def bombard(found, recorder, chance, count):
    """Deliver so many mutants; each is refused, unless it says the very same as one that is known."""
    client, meant = Client(), [letter.read() for letter in found]
    before, stored, called = everything(), ChannelNotification.objects.count(), len(recorder.exchanges)
    accepted, slow, started = 0, [], time.monotonic()
    for _ in range(count):
        which = chance.randrange(len(found))
        mutant = mutated(found, which, chance)
        begun = time.perf_counter()
        status = mutant.deliver(client)
        slow.append(time.perf_counter() - begun)
        if status < 300:
            accepted += 1
            assert means(mutant) in meant, mutant
        else:
            assert 400 <= status < 500, (status, mutant)
        assert time.monotonic() - started < MOST_SECONDS_OF_A_LETTER, "the letters grew too old to prove anything"
    assert accepted < count / 5  # replays, and fields in another order
    assert ChannelNotification.objects.count() == stored
    assert without_due(everything()) == without_due(before)
    assert len(recorder.exchanges) == called
    print(f"p99 {sorted(slow)[int(count * 0.99)] * 1000:.1f} ms, {accepted} of {count} said the same")


def means(letter):
    try:
        return letter.read()
    except NotificationRefused as refusal:
        return refusal


def without_due(rows):
    """A replay makes its refund due once more, and that is all."""
    return rows | {"RefundAttempt": [len(rows["RefundAttempt"])]}


def mutated(found, which, chance):
    letter = found[which]
    signed = [name for name in letter.headers if name.startswith("Wechatpay-")]
    if signed and chance.random() < 0.4:
        name, other = chance.choice(signed), chance.choice(found)
        value = letter.headers[name]
        at = chance.randrange(len(value))
        changed = chance.choice([
            None, "", value[:at], value[at:] + value[:at], value[:at] + chance.choice("0aZ,;/+= ") + value[at + 1 :],
            letter.headers[chance.choice(signed)], other.headers.get(name, "x"), value * 2, value.swapcase(),
        ])  # fmt: skip
        return letter.but(**{name.replace("-", "_"): changed})
    if chance.random() < 0.03:
        return letter  # a replay
    if chance.random() < 0.03:
        other = chance.choice([each for each in found if each.channel == letter.channel])
        return letter.but(body=other.body)
    return letter.but(body=mangled(letter.body, chance))


def mangled(body, chance):
    at, to = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    noise = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 5)))
    flipped = bytearray(body)
    flipped[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    words = [b"%", b"%00", b"&", b"=", b"+", b"&sign=", b"&&", b"\x00", b'"', b"}", b",", b"\\u0000", b"[" * 2000]
    return chance.choice([
        bytes(flipped), body[:at], body[at:], body[:at] + noise + body[at:], body[:at] + body[to:],
        body[:at] + body[at:to] * 2 + body[to:], body[:at] + chance.choice(words) + body[at:],
        b"&".join(chance.sample(body.split(b"&"), k=body.count(b"&") + 1)), b"", body * 2,
    ])  # fmt: skip
