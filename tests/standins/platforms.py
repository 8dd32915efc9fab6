"""All stand-ins of one run, and the environment that points a hub at them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.servers.ports import free_port
from tests.standins import mail, orders, slack, telegram, twilio
from tests.standins.ledger import Ledger
from tests.standins.pace import Pace, Vanished

LOOPBACK = "127.0.0.1"


@dataclass
class Platforms:
    """What a hub talks to, with one ledger."""

    ledger: Ledger
    pace: Pace
    slack: slack.SlackStandin
    telegram: telegram.TelegramStandin
    twilio: twilio.TwilioStandin
    mail: mail.MailStandin
    mail_in_port: int
    port: int

    def environment(self) -> dict[str, str]:
        """Return what makes a hub use these and no other platforms, with proofs that take seconds, not minutes."""
        url = f"http://{LOOPBACK}:{self.port}"
        return {
            "FRONTDESK_ABSENCE_PROVEN_AFTER_S": "2",
            "FRONTDESK_ORDERS_URL": url,
            "FRONTDESK_SLACK_ACME_MODE": "http",
            "FRONTDESK_SLACK_ACME_BOT_TOKEN": slack.BOT_TOKEN,
            "FRONTDESK_SLACK_ACME_SIGNING_SECRET": slack.SIGNING_SECRET,
            "FRONTDESK_SLACK_ACME_API_URL": f"{url}/api/",
            "FRONTDESK_TELEGRAM_SUPPORT_MODE": "webhook",
            "FRONTDESK_TELEGRAM_SUPPORT_TOKEN": telegram.TOKEN,
            "FRONTDESK_TELEGRAM_SUPPORT_WEBHOOK_SECRET": telegram.WEBHOOK_SECRET,
            "FRONTDESK_TELEGRAM_SUPPORT_USERNAME": telegram.USERNAME,
            "FRONTDESK_TELEGRAM_SUPPORT_API_URL": url,
            "FRONTDESK_WHATSAPP_MAIN_ACCOUNT_SID": twilio.SID,
            "FRONTDESK_WHATSAPP_MAIN_AUTH_TOKEN": twilio.AUTH_TOKEN,
            "FRONTDESK_WHATSAPP_MAIN_NUMBER": twilio.NUMBER,
            "FRONTDESK_WHATSAPP_MAIN_API_URL": url,
            "FRONTDESK_EMAIL_HELP_ADDRESS": mail.ADDRESS,
            "FRONTDESK_EMAIL_HELP_SMTP_HOST": LOOPBACK,
            "FRONTDESK_EMAIL_HELP_SMTP_PORT": str(self.mail.port),
            "FRONTDESK_EMAIL_HELP_SMTP_TLS": "none",
            "FRONTDESK_EMAIL_HELP_SMTP_IN_PORT": str(self.mail_in_port),
        }


@asynccontextmanager
async def running_platforms(pace: Pace) -> AsyncIterator[Platforms]:
    """Run all stand-ins in this event loop while the block lasts."""
    ledger = Ledger()
    platforms = Platforms(
        ledger=ledger,
        pace=pace,
        slack=slack.SlackStandin(ledger, pace),
        telegram=telegram.TelegramStandin(ledger, pace),
        twilio=twilio.TwilioStandin(ledger, pace),
        mail=mail.MailStandin(ledger, pace),
        mail_in_port=free_port(),
        port=free_port(),
    )
    application = web.Application(middlewares=[_vanishing])
    for routes in (platforms.slack, platforms.telegram, platforms.twilio):
        application.add_routes(routes.routes())
    application.add_routes(orders.routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, platforms.port).start()
    await platforms.mail.start()
    try:
        yield platforms
    finally:
        await platforms.twilio.stop()
        await platforms.mail.stop()
        await runner.cleanup()


@web.middleware
async def _vanishing(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer a request that never arrived; nobody is there to read it."""
    try:
        response: web.StreamResponse = await handler(request)
    except Vanished:
        return web.Response(status=500)
    return response
