"""Every test has a hub around the channel and one Page."""

from collections.abc import AsyncIterator

import pytest
from channels.base import Channel
from channels.contract import HubAround
from core.ids import AccountName
from messenger_samples import settings

from frontdesk_messenger.channel import build


@pytest.fixture
def hub() -> HubAround:
    return HubAround()


@pytest.fixture
async def channel(hub: HubAround) -> AsyncIterator[Channel]:
    built = build(AccountName("shop"), settings(), hub.resources())
    yield built
    await built.close()
