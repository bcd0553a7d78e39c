"""Stock SDKs only: once any test has imported the shop's gateway, ``wechatpayv3`` uses that one's connections."""

from __future__ import annotations

import pytest
import requests
from wechatpayv3 import core


@pytest.fixture(autouse=True)
def stock_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own ``requests`` again, without the shop's caps and pools."""
    monkeypatch.setattr(core, "requests", requests)
