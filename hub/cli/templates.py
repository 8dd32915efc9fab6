"""`frontdesk templates`: what becomes of every reply on every platform, before anybody is answered with it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from core.errors import ConfigError
from hub.cli.common import ConfigOption, console, read_settings
from hub.content import load_content
from hub.fidelity.check import MEANINGS, Finding, Outcome, check_fidelity, sample_reply, variants_of
from hub.fidelity.platforms import BY_NAME, PLATFORMS
from hub.fidelity.preview import Note, Preview, call_as_text, preview
from hub.fidelity.shown import Message
from hub.template_check import load_samples
from hub.templating import Templates
from hub.turns import TROUBLE

app = typer.Typer(help="Look at replies as each platform shows them.", no_args_is_help=True)

ALL = "all"


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print findings for machines.")] = False,
    config: ConfigOption = None,
) -> None:
    """Render every template on every platform, in every locale and tone, with sample data.

    Says what would be cut, split, numbered, dropped or refused. Ends with 1 when a person would miss something.
    """
    settings = read_settings(config)
    wanted = load_content(settings.content).templates | {TROUBLE.template}
    outcome = check_fidelity(settings.templates, settings.desks, wanted)
    if as_json:
        typer.echo(json.dumps(_for_machines(outcome), indent=2, ensure_ascii=False))
    else:
        _print_outcome(outcome)
    if outcome.errors:
        raise typer.Exit(1)


def _for_machines(outcome: Outcome) -> dict[str, object]:
    findings = [finding.model_dump() | {"is_error": finding.is_error} for finding in outcome.findings]
    return {"replies": outcome.replies, "errors": outcome.errors, "findings": findings}


def _print_outcome(outcome: Outcome) -> None:
    for line in _lines(outcome):
        style = "red" if line.first.is_error else "bold"
        where = ", ".join(line.platforms) + ("" if line.variants == ALL else f", {line.variants}")
        console.print(f"[{style}]{line.first.kind}[/{style}] on {where}: {escape(line.first.detail)}", soft_wrap=True)
        console.print(Padding(Text(", ".join(line.templates), style="dim"), (0, 0, 0, 4)))
    for kind in dict.fromkeys(finding.kind for finding in outcome.findings):
        console.print(f"[bold]{kind}[/bold]: {MEANINGS[kind]}", soft_wrap=True)
    end = f"[red]{outcome.errors} errors[/red]" if outcome.errors else "[green]nothing is lost[/green]"
    console.print(f"{outcome.replies} replies rendered on {len(PLATFORMS)} platforms: {end}", soft_wrap=True)


@dataclass(frozen=True)
class Line:
    """The same thing on several platforms, of several replies."""

    first: Finding
    platforms: tuple[str, ...]
    variants: str
    templates: list[str]


def _lines(outcome: Outcome) -> list[Line]:
    """Put together what differs in template, platform or variant only; errors come first."""
    every = {(finding.locale, finding.tone) for finding in outcome.findings if finding.locale or finding.tone}
    of_one_reply: dict[tuple[str, ...], list[Finding]] = {}
    for finding in outcome.findings:
        of_one_reply.setdefault((finding.kind, finding.detail, finding.template), []).append(finding)
    lines: dict[tuple[object, ...], Line] = {}
    for group in of_one_reply.values():
        first, platforms = group[0], tuple(dict.fromkeys(finding.platform for finding in group))
        fresh = Line(first, platforms, _variants(group, every), [])
        line = lines.setdefault((first.kind, first.detail, platforms, fresh.variants), fresh)
        line.templates.append(first.template)
    return sorted(lines.values(), key=lambda line: not line.first.is_error)


def _variants(group: Iterable[Finding], every: set[tuple[str, str]]) -> str:
    """Name the locales and tones of a group, where they are not simply all there are."""
    found = dict.fromkeys((finding.locale, finding.tone) for finding in group)
    is_all = set(found) >= every or set(found) == {("", "")}
    return ALL if is_all else ", ".join(f"{locale} {tone}" for locale, tone in found)


@app.command("preview")
def show(
    name: Annotated[str, typer.Argument(help="A reply: the name of a template.")],
    channel: Annotated[str | None, typer.Option(help=f"Only one of {', '.join(BY_NAME)}.")] = None,
    locale: Annotated[str | None, typer.Option(help="Default: the first desk's own language.")] = None,
    tone: Annotated[str | None, typer.Option(help="Default: the first desk's.")] = None,
    config: ConfigOption = None,
) -> None:
    """Show one reply as each platform shows it, with the api call beside."""
    settings = read_settings(config)
    if channel is not None and channel not in BY_NAME:
        raise typer.BadParameter(f"{channel!r} is none of {', '.join(BY_NAME)}")
    templates, samples = Templates(settings.templates), load_samples(settings.templates)
    if name not in templates.replies & samples.keys():
        raise ConfigError(f"no reply {name!r}; there are {', '.join(sorted(templates.replies & samples.keys()))}")
    desk, variants = settings.desks[0], variants_of(templates, settings.desks)
    chosen = locale or desk.languages[0], tone or desk.tone
    _check_known("locale", chosen[0], variants.locales)
    _check_known("tone", chosen[1], variants.tones)
    platforms = PLATFORMS if channel is None else (BY_NAME[channel],)
    for one in preview(templates, [sample_reply(name, samples[name])], *chosen, platforms):
        console.print(_side_by_side(one))


def _check_known(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise typer.BadParameter(f"no template and no desk has the {what} {given!r}; there are {', '.join(known)}")


def _side_by_side(one: Preview) -> Panel:
    table = Table(box=None, expand=True, show_header=False, padding=(0, 1))
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    for message in one.messages:
        table.add_row(
            _drawn(message, one.unit), Syntax(call_as_text(message), "json", word_wrap=True, theme="ansi_dark")
        )
    return Panel(Group(table, *map(_told, one.notes)), title=one.platform.title, title_align="left")


def _told(note: Note) -> Text:
    return Text(f"{note.kind}: {note.detail}", style="red" if note.is_error else "dim")


def _drawn(message: Message, unit: str) -> Panel:
    lines: list[Text | str] = [Text(f"Subject: {message.subject}", style="bold")] if message.subject else []
    for piece in message.pieces:
        style = {"header": "bold", "context": "dim"}.get(piece.kind, "")
        lines.append(Text(piece.text or f"[{piece.kind}]", style=style))
    lines += [Text.assemble(*((f"[ {button.label} ]  ", "cyan") for button in row)) for row in message.rows]
    if message.menu:
        lines += [Text(f"[ {message.menu} v ]", "cyan"), *(Text(f"  {one.label}", "cyan") for one in message.options)]
    return Panel(Group(*lines), subtitle=f"{message.used:,} of {message.limit:,} {unit}", subtitle_align="right")
