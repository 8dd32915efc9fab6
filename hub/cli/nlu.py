"""`frontdesk nlu`: learn the intent model of the content, and look at how a text is read."""

from datetime import UTC
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from core.errors import ConfigError
from core.nlu.model import Model
from core.understanding import Moment
from hub.cli.common import ConfigOption, console, read_settings
from hub.clock import SystemClock
from hub.content import Content, load_content
from hub.encoders import load_encoder
from hub.model_card import model_card
from hub.models import finder_of, load_model, model_name, understander_of
from hub.settings import Settings

app = typer.Typer(help="Understanding: training, and a look at how a text is read.", no_args_is_help=True)
Backend = Annotated[
    Literal["auto", "lexical", "static", "encoder"] | None,
    typer.Option("--backend", help="Instead of the one in the settings."),
]


@app.command()
def train(config: ConfigOption = None, backend: Backend = None) -> None:
    """Learn the model of the content, keep it in the data folder, and write its card beside it."""
    settings = _with_backend(read_settings(config), backend)
    content = load_content(settings.content)
    encoder = load_encoder(settings.understanding)
    finder = finder_of(content.entities)
    path = settings.data / "models" / model_name(content.examples, finder, encoder)
    path.unlink(missing_ok=True)
    bars = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*bars, console=console) as progress:
        steps: dict[str, TaskID] = {}

        def show(step: str, share: float) -> None:
            if step not in steps:
                steps[step] = progress.add_task(step, total=1.0)
            progress.update(steps[step], completed=share)

        model = load_model(content.examples, finder, path.parent, encoder, show)
    card = path.with_suffix(".md")
    card.write_text(model_card(model, path.name, content.version, content.intents), encoding="utf-8")
    _tell(model, str(path), str(card))


def _tell(model: Model, path: str, card: str) -> None:
    scores = model.scores
    console.print(
        f"{scores.examples} examples, {len(model.intents)} intents; of {scores.kept_aside} read unseen"
        f" {scores.accuracy:.1%} were right first."
    )
    console.print(f"model {path}\ncard  {card}", soft_wrap=True)


@app.command()
def read(
    text: str,
    desk: Annotated[str | None, typer.Option("--desk", help="Where it is read; default the first one.")] = None,
    config: ConfigOption = None,
    backend: Backend = None,
) -> None:
    """Show how a text is read now at a desk, as JSON."""
    settings = _with_backend(read_settings(config), backend)
    content: Content = load_content(settings.content)
    finder = finder_of(content.entities)
    encoder = load_encoder(settings.understanding)
    languages = [language for desk in settings.desks for language in desk.languages]
    models = settings.data / "models"
    understander = understander_of(content.examples, finder, models, encoder, content.moods, languages)
    there = next((known for known in settings.desks if known.name == desk), None) if desk else settings.desks[0]
    if there is None:
        raise ConfigError(f"there is no desk {desk}; there are {', '.join(known.name for known in settings.desks)}")
    moment = Moment(now=SystemClock().now().astimezone(UTC), time_zone=there.time_zone)
    console.print_json(understander.at(there.name).understand(text, moment).model_dump_json())


def _with_backend(settings: Settings, backend: str | None) -> Settings:
    if backend is None:
        return settings
    return settings.model_copy(update={"understanding": settings.understanding.model_copy(update={"backend": backend})})
