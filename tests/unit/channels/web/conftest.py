from collections.abc import AsyncIterator

import pytest

from tests.unit.channels.web.fakes import FakeHub, Site, make_channel, running


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
async def site(hub: FakeHub) -> AsyncIterator[Site]:
    async with running(hub, make_channel(hub)) as running_site:
        yield running_site
