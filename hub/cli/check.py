"""`frontdesk check`: configuration, content and templates, without asking anybody outside."""

import typer

from core.errors import ConfigError
from hub.adapters import channel_names, installed, part, problem_of, template_folders
from hub.cli.common import ConfigOption, console, read_settings
from hub.content import Content, load_content
from hub.settings import Settings
from hub.template_check import check_templates, load_samples
from hub.turns import TROUBLE
from hub.wiring import KNOWN_ACTIONS


def check(config: ConfigOption = None) -> None:
    """Validate configuration, content and templates; says what is missing. Ends with 1 when something is wrong."""
    settings = read_settings(config)
    content = load_content(settings.content)
    broken = {adapter.channel: problem for adapter in installed() if (problem := problem_of(adapter)) is not None}
    channels = [channel for channel in channel_names() if channel not in broken]
    problems = [
        *broken.values(),
        *_unknown_actions(content),
        *_template_problems(settings, content, channels),
        *_approved_problems(settings, content),
    ]
    console.print(
        f"content {content.version}: {len(content.intents)} intents, {len(content.flows)} flows,"
        f" {len(content.articles)} articles, {len(content.templates)} replies"
    )
    for adapter in installed():
        console.print(f"adapter {adapter.channel}: {adapter.source} ({adapter.package})", soft_wrap=True)
    for plan in settings.accounts:
        if plan.settings is not None:
            console.print(f"[green]on [/green] {plan.key}")
        else:
            console.print(
                f"[dim]off[/dim] {plan.key}: {plan.switch_on} Then set {', '.join(plan.missing)}.", soft_wrap=True
            )
    for problem in problems:
        console.print(f"[red]wrong[/red] {problem}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print("[green]Everything that is here fits together.[/green]")


def _unknown_actions(content: Content) -> list[str]:
    return [
        f"a flow uses the action {name!r}, which no connector offers"
        for name in sorted(content.actions - KNOWN_ACTIONS)
    ]


def _approved_problems(settings: Settings, content: Content) -> list[str]:
    """Try the templates that WhatsApp has approved with the samples of the replies that they say."""
    try:
        samples = load_samples(settings.templates)
    except ConfigError:
        return []  # the check of our own templates has told it
    return content.approved.problems({name: sample.context for name, sample in samples.items()})


def _template_problems(settings: Settings, content: Content, channels: list[str]) -> list[str]:
    escapes = {channel: part(channel, "render").ESCAPES for channel in channels}
    wanted = content.templates | {TROUBLE.template}
    try:
        findings = check_templates(settings.templates, escapes, wanted, template_folders())
    except ConfigError as error:
        return [str(error)]
    return [f"template {f.channel}/{f.template} {f.block}: {f.problem}" for f in findings]
