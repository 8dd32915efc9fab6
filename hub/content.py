"""The bot's content: read from `config/content`, checked as a whole, made into one bot for each desk.

    entities.yaml        data of a known form
    moods.yaml           how people sound; may be left out
    choices.yaml         how people write which entry of a list they mean, by language
    intents/<name>.yaml  what people come for, in their own words
    articles/<id>.md     answers, with front matter
    flows/<name>.yaml    what to collect, do and say
    forms/<name>.yaml    what to ask for at once, where a platform can show a form
    whatsapp_templates.yaml   what WhatsApp has approved, for messages outside its 24 hours

Only this module touches the files; the core gets values. A mistake is told with its file and field, or line.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from core.bot import ENGINE_TEMPLATES, Bot
from core.dialogue.choices import ChoiceWords
from core.dialogue.desk import Desk
from core.dialogue.flows import Flow, Say
from core.dialogue.intents import Intent
from core.errors import ConfigError
from core.forms import Form
from core.ids import DeskName
from core.knowledge.articles import Article
from core.knowledge.library import Library
from core.nlu.corpus import LabelledText
from core.nlu.entities import EntityKind
from core.nlu.vectors import Encoder
from hub.approved import NONE_APPROVED, ApprovedTemplates, read_approved
from hub.models import MoodExamples, finder_of, understander_of

HOME, TYPING = "home", "typing"
"""The templates of what a channel shows before anybody writes, and while an answer is being made."""
VERSION_CHARS = 12
"""Of a SHA-256 in hex: 48 bits name a version of the content."""
FRONT_MATTER = "---"

Value = TypeVar("Value")


class DeskRules(Protocol):
    """What the settings say about a desk."""

    @property
    def name(self) -> DeskName:
        """Return its name."""
        ...

    @property
    def tone(self) -> str:
        """Return the tone it prefers."""
        ...

    @property
    def time_zone(self) -> str:
        """Return the IANA name of its time zone."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages it speaks; the first is its own."""
        ...

    @property
    def introduces_itself(self) -> bool:
        """Tell whether it says who it is when it is added to a group or a channel."""
        ...


@dataclass(frozen=True)
class Content:
    """All content, checked; `version` changes with every byte of it."""

    version: str
    intents: tuple[Intent, ...]
    flows: tuple[Flow, ...]
    articles: tuple[Article, ...]
    entities: tuple[EntityKind, ...]
    choice_words: dict[str, ChoiceWords]
    forms: tuple[Form, ...] = ()
    approved: ApprovedTemplates = NONE_APPROVED
    moods: MoodExamples | None = None

    @property
    def templates(self) -> frozenset[str]:
        """Return every reply that content or code names; each needs a template."""
        said = {intent.use for intent in self.intents if intent.automation == "reply" and intent.use}
        shown = {HOME, TYPING, *(form.template for form in self.forms)}
        return ENGINE_TEMPLATES.union(said, shown, *(flow.templates for flow in self.flows))

    @property
    def actions(self) -> frozenset[str]:
        """Return every action that a flow may want."""
        return frozenset(action for flow in self.flows for action in flow.actions)

    @property
    def examples(self) -> list[LabelledText]:
        """Return what the intents are learned from; questions of articles teach the intent that searches them."""
        own = [(example.text, intent.name) for intent in self.intents for example in intent.examples]
        searching = [intent.name for intent in self.intents if intent.automation == "knowledge"]
        questions = [question for article in self.articles for question in article.questions]
        return own + [(question, name) for name in searching for question in questions]


def load_content(folder: Path) -> Content:
    """Read and check a content folder.

    Raises:
        ConfigError: something is missing, malformed, or names what is not there; the message says where.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; content is expected there")
    content = Content(
        version=_version(folder),
        intents=_read_all(folder, "intents/*.yaml", Intent.model_validate, _read_yaml),
        flows=_read_all(folder, "flows/*.yaml", Flow.model_validate, _read_yaml),
        articles=_read_all(folder, "articles/*.md", Article.model_validate, _read_article),
        entities=_read(folder / "entities.yaml", TypeAdapter(tuple[EntityKind, ...]).validate_python, _read_yaml),
        forms=_read_all(folder, "forms/*.yaml", Form.model_validate, _read_yaml),
        choice_words=_read(folder / "choices.yaml", TypeAdapter(dict[str, ChoiceWords]).validate_python, _read_yaml),
        approved=read_approved(folder),
        moods=_moods(folder),
    )
    _check(content, folder)
    return content


def build_responders(
    content: Content,
    desks: Iterable[DeskRules],
    model_cache: Path | None = None,
    enabled: Callable[[DeskName, Intent], bool] = lambda _desk, _intent: True,
    encoder: Encoder | None = None,
) -> dict[DeskName, Bot]:
    """Build one bot for each desk; all share one model and one library.

    Args:
        content: from `load_content`.
        desks: their settings.
        model_cache: folder for trained models, so that the second start need not learn; None keeps nothing.
        enabled: tells whether a desk does an intent; all by default.
        encoder: the backend beside the lexical one; None: lexical alone.
    """
    desks = tuple(desks)
    languages = [language for desk in desks for language in desk.languages]
    finder = finder_of(content.entities)
    understander = understander_of(content.examples, finder, model_cache, encoder, content.moods, languages)
    library = Library(content.articles)
    key = secrets.token_bytes(32)  # only whoever offers needs it, and tokens are committed with what they mean
    return {
        desk.name: Bot(
            Desk(
                name=desk.name,
                tone=desk.tone,
                languages=desk.languages,
                introduces_itself=desk.introduces_itself,
                time_zone=desk.time_zone,
                intents=tuple(intent for intent in content.intents if enabled(desk.name, intent)),
                flows=content.flows,
                content_version=content.version,
                choice_words=content.choice_words,
            ),
            understander.at(desk.name),
            library,
            choice_key=key,
        )
        for desk in desks
    }


def _moods(folder: Path) -> MoodExamples | None:
    path = folder / "moods.yaml"
    return _read(path, MoodExamples.model_validate, _read_yaml) if path.exists() else None


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:VERSION_CHARS]


def _read_all(
    folder: Path, pattern: str, validate: Callable[[Any], Value], read: Callable[[Path], Any]
) -> tuple[Value, ...]:
    return tuple(_read(path, validate, read) for path in sorted(folder.glob(pattern)))


def _read(path: Path, validate: Callable[[Any], Value], read: Callable[[Path], Any]) -> Value:
    try:
        return validate(read(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_problem(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}") from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field or 'the file'}: {first['msg']}"


def _read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _read_article(path: Path) -> Any:
    """Split an article into its front matter and its text."""
    parts = path.read_text(encoding="utf-8").split(f"{FRONT_MATTER}\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise ConfigError(f"{path}, line 1: an article begins with front matter between two lines of ---")
    fields = yaml.safe_load(parts[1])
    return {**fields, "text": parts[2].strip()} if isinstance(fields, dict) else fields


def _check(content: Content, folder: Path) -> None:
    """Check what holds between files: names are unique and lead somewhere."""
    intents = {intent.name for intent in content.intents}
    flows = {flow.name for flow in content.flows}
    articles = {article.id for article in content.articles}
    entities = {kind.name for kind in content.entities}
    _check_unique([intent.name for intent in content.intents], folder / "intents")
    _check_unique([flow.name for flow in content.flows], folder / "flows")
    _check_unique([article.id for article in content.articles], folder / "articles")
    _check_commands(content.intents, folder)
    _check_forms(content, folder)
    for intent in content.intents:
        known = {"flow": flows, "article": articles}.get(intent.automation)
        if known is not None and intent.use not in known:
            raise ConfigError(
                f"{folder}/intents: {intent.name} uses {intent.automation} {intent.use}, which is not there"
            )
    for flow in content.flows:
        wanted = {step.entity for step in flow.collects} - entities
        offered = {name for step in flow.steps if isinstance(step, Say) for name in step.offer} - intents
        if wanted | offered:
            raise ConfigError(f"{folder}/flows: {flow.name} names {', '.join(sorted(wanted | offered))}, not there")


def _check_unique(names: Sequence[str], folder: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{folder}: {name} is defined twice")


def _check_commands(intents: Sequence[Intent], folder: Path) -> None:
    _check_unique([command for intent in intents for command in intent.commands], folder / "intents")


def _check_forms(content: Content, folder: Path) -> None:
    """Check that a form stands for an intent, which answers where none can be shown."""
    _check_unique([form.name for form in content.forms], folder / "forms")
    commands = {intent.name: intent.commands for intent in content.intents}
    for form in content.forms:
        if form.name not in commands:
            raise ConfigError(f"{folder}/forms: {form.name} is the name of no intent")
        if missing := set(form.commands) - set(commands[form.name]):
            raise ConfigError(f"{folder}/forms: {form.name}: {', '.join(sorted(missing))} is no command of its intent")
