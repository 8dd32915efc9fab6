"""`frontdesk chat`: the bot in the terminal."""

import asyncio
import itertools
from typing import Annotated

import typer
from rich.markup import escape

from core.conversation import Conversation, Turn
from core.errors import ConfigError
from core.events import MessageReceived, Sender
from core.ids import AccountName, ChannelName, EventId, conversation_id
from hub.adapters import template_folders
from hub.cli.common import ConfigOption, console, read_settings
from hub.cli.trial import Trial, running_trial
from hub.clock import SystemClock
from hub.settings import Settings
from hub.templating import Templates

LEAVE = frozenset({"exit", "quit", ":q"})


def chat(
    desk: Annotated[str | None, typer.Option(help="Which desk answers; default the first.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show why each reply was given.")] = False,
    config: ConfigOption = None,
) -> None:
    """Talk to the bot here: no account, no database. Leave with Ctrl-D or `exit`."""
    settings = read_settings(config)
    account = _account_of(settings, desk)
    asyncio.run(_chat(settings, account, trace))


def _account_of(settings: Settings, desk: str | None) -> str:
    for candidate in settings.desks:
        if desk in (None, candidate.name) and candidate.accounts:
            return candidate.accounts[0]
    raise ConfigError(
        f"there is no desk {desk!r} with an account; desks are {', '.join(d.name for d in settings.desks)}"
    )


async def _chat(settings: Settings, account: str, show_trace: bool) -> None:
    templates = Templates(settings.templates, template_folders())
    async with running_trial(settings, SystemClock()) as trial:
        conversation: Conversation | None = None
        for number in itertools.count(1):
            text = await asyncio.to_thread(_ask)
            if text is None or text.strip() in LEAVE:
                return
            event = _event(account, number, text, trial)
            turn = await trial.take(conversation or trial.begin(event), event)
            conversation = turn.conversation
            _show(turn, templates, settings, show_trace)


def _ask() -> str | None:
    try:
        return console.input("[bold]you[/bold]  ")
    except (EOFError, KeyboardInterrupt):
        return None


def _event(account: str, number: int, text: str, trial: Trial) -> MessageReceived:
    channel, _, name = account.partition(":")
    now = trial.clock.now()
    return MessageReceived(
        id=EventId(f"terminal:{number}"),
        channel=ChannelName(channel),
        account=AccountName(name),
        conversation_id=conversation_id(channel, name, "terminal"),
        sender=Sender(id="terminal"),
        sent_at=now,
        received_at=now,
        address={"terminal": "1"},
        adapter="terminal/1",
        message_id=str(number),
        text=text,
    )


def _show(turn: Turn, templates: Templates, settings: Settings, show_trace: bool) -> None:
    desk = next(desk for desk in settings.desks if desk.name == turn.conversation.desk)
    for reply in turn.replies:
        words = templates.words("web", reply, {"text": str}, desk.languages[0], desk.tone)
        console.print(f"[bold cyan]bot[/bold cyan]  {escape(words.block('text'))}", soft_wrap=True)
        for number, choice in enumerate(reply.choices, 1):
            console.print(f"     {number}. {escape(choice.label)}")
    if not turn.replies:
        console.print(f"[dim]bot says nothing ({turn.ignored or turn.trace.rung})[/dim]")
    if show_trace:
        console.print(turn.trace.model_dump_json(indent=2, exclude_defaults=True), style="dim", markup=False)
