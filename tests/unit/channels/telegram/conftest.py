from collections.abc import AsyncIterator

import pytest

from tests.unit.channels.telegram.bot_api import BotApi


@pytest.fixture
async def bot_api() -> AsyncIterator[BotApi]:
    api = BotApi()
    await api.start()
    yield api
    await api.stop()
