"""Partners of the gateways: a scripted Alipay, and both channels of the simulator for the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from payments.gateways.alipay import AlipayCredentials, AlipayGateway
from tests.gateways.alipay_channel import (
    ALIPAY_KEY,
    APP_ID,
    APP_KEY,
    SELLER_ID,
    AlipayChannel,
    private_pem,
    public_pem,
)
from tests.gateways.partners import Partner, partners


@pytest.fixture(scope="session")
def scripted_alipay() -> Iterator[AlipayChannel]:
    channel = AlipayChannel()
    yield channel
    channel.close()


@pytest.fixture
def alipay(scripted_alipay: AlipayChannel) -> AlipayChannel:
    """An Alipay that has heard nothing yet and answers what the test scripts."""
    scripted_alipay.forget()
    return scripted_alipay


@pytest.fixture
def alipay_credentials(alipay: AlipayChannel) -> AlipayCredentials:
    return AlipayCredentials(APP_ID, SELLER_ID, private_pem(APP_KEY), public_pem(ALIPAY_KEY), alipay.gateway)


@pytest.fixture
def alipay_gateway(alipay_credentials: AlipayCredentials) -> AlipayGateway:
    return AlipayGateway(alipay_credentials)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Partner]]:
    """WeChat Pay and Alipay of one simulator, by name."""
    with partners(tmp_path_factory.mktemp("partners")) as found:
        yield found


@pytest.fixture(params=["wechat", "alipay"])
def partner(both: dict[str, Partner], request: pytest.FixtureRequest) -> Partner:
    return both[request.param]
