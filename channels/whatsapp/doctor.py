"""What `frontdesk doctor` says about one Twilio sender."""

from urllib.parse import urlsplit

from channels.base import Finding
from channels.whatsapp.account import WHATSAPP_PREFIX
from channels.whatsapp.address import is_loopback
from channels.whatsapp.client import TwilioClient
from core.errors import AccountRefused, DeliveryError

SANDBOX_NUMBER = "+14155238886"
"""Twilio's shared WhatsApp sandbox (W28)."""


async def examine(client: TwilioClient, account: str, number: str, webhook: str) -> list[Finding]:
    """Ask for the account and the number, and look at our own address; never raises.

    Args:
        client: of the account.
        account: `whatsapp:main`.
        number: our sender, `whatsapp:+E164`.
        webhook: the address that Twilio must be told.
    """
    findings = (
        await _credentials(client, account),
        await _number(client, account, number.removeprefix(WHATSAPP_PREFIX)),
        _address(account, webhook),
    )
    return list(findings)


async def _credentials(client: TwilioClient, account: str) -> Finding:
    try:
        status = await client.account_status()
    except AccountRefused as error:
        return _failed(account, "credentials", str(error), "copy Account SID and Auth Token from the console")
    except DeliveryError as error:
        return _failed(account, "credentials", str(error), "check that this machine reaches api_url")
    told = f"the account is {status}"
    if status != "active":
        return _failed(account, "credentials", told, "open console.twilio.com and see why it is not active")
    return Finding(account=account, check="credentials", ok=True, detail=told)


async def _number(client: TwilioClient, account: str, number: str) -> Finding:
    """Best effort: a WhatsApp sender need not be a number rented from Twilio, so its absence proves nothing."""
    if number == SANDBOX_NUMBER:
        detail = "the sandbox: each person must first send it `join <code>`, again every 3 days"
        return Finding(account=account, check="number", ok=True, detail=detail)
    try:
        rented = await client.has_phone_number(number)
    except DeliveryError as error:
        return _failed(account, "number", f"not known: {error}", "mend the credentials first")
    unsure = f"{number} is not rented here; see that it stands under Messaging > Senders > WhatsApp senders"
    detail = f"{number} belongs to the account" if rented else unsure
    return Finding(account=account, check="number", ok=True, detail=detail)


def _address(account: str, webhook: str) -> Finding:
    parts = urlsplit(webhook)
    if parts.scheme == "https" and not is_loopback(parts.hostname):
        detail = f"set the sender's webhook to POST {webhook}"
        return Finding(account=account, check="webhook", ok=True, detail=detail)
    fix = "set the public URL to an https address that Twilio can call, and the sender's webhook to POST "
    return _failed(account, "webhook", f"Twilio cannot safely call {webhook}", f"{fix}{parts.path} below it")


def _failed(account: str, check: str, detail: str, fix: str) -> Finding:
    return Finding(account=account, check=check, ok=False, detail=detail, fix=fix)
