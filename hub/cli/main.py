"""The command line: which commands there are, and how a configuration error is told."""

import sys

import typer

from core.errors import ConfigError, StoreUnavailable
from hub.cli import (
    channel,
    chat,
    check,
    dead_letters,
    doctor,
    emulate,
    holds,
    media,
    nlu,
    notify,
    replay,
    schema,
    serve,
    spool,
    templates,
    transcript,
    undelivered,
)

app = typer.Typer(
    help="One support bot behind every channel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(chat.chat)
app.command()(replay.replay)
app.command()(check.check)
app.command()(doctor.doctor)
app.command()(schema.schema)
app.command()(emulate.emulate)
app.command()(notify.notify)
app.command()(transcript.transcript)
app.command()(undelivered.undelivered)
app.add_typer(channel.app, name="channel")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(holds.app, name="holds")
app.add_typer(media.app, name="media")
app.add_typer(nlu.app, name="nlu")
app.add_typer(spool.app, name="spool")
app.add_typer(templates.app, name="templates")


def run() -> None:
    """Run a command; what the user can mend is told in one sentence, not as a stack."""
    try:
        app()
    except (ConfigError, StoreUnavailable) as error:
        sys.stderr.write(f"frontdesk: {error}\n")
        sys.exit(2)
