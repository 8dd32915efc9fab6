"""Templates that WhatsApp has approved: which says which of our replies, in which language, with which variables.

`config/content/whatsapp_templates.yaml` names them; [docs/whatsapp-window.md](../docs/whatsapp-window.md) says how.
A variable is an expression of the reply's context, evaluated in Jinja's sandbox: it computes a text and can do nothing
else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import TypeAdapter, ValidationError

from channels.base import Channel, SpeaksTemplates
from core.errors import ConfigError
from core.events import Address
from core.ids import account_key
from core.model import Json
from core.replies import ApiCall, Reply
from core.window import ContentTemplate, rank_of
from hub.templating import FILTERS

log = structlog.get_logger(__name__)

FILE = "whatsapp_templates.yaml"
Entries = Mapping[str, tuple[ContentTemplate, ...]]
ENTRIES: TypeAdapter[Entries] = TypeAdapter(Mapping[str, tuple[ContentTemplate, ...]])
UNUSABLE = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError)
"""What an expression raises over a context that it was not made for."""


def _sandbox() -> ImmutableSandboxedEnvironment:
    sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    sandbox.filters = {name: sandbox.filters[name] for name in FILTERS}
    sandbox.globals = {}
    return sandbox


SANDBOX = _sandbox()


@dataclass(frozen=True)
class ApprovedTemplates:
    """All approved templates, by the name of the reply that they say."""

    entries: Entries = field(default_factory=dict)

    @property
    def replies(self) -> frozenset[str]:
        """Return the replies that some template says."""
        return frozenset(self.entries)

    def call(self, channel: Channel, reply: Reply, locale: str | None, address: Address) -> ApiCall | None:
        """Return the call that says a reply by the best template there is for it; None where none can.

        Args:
            channel: the account that would send it.
            reply: what to say.
            locale: the language of the conversation.
            address: whom it is for.
        """
        if not isinstance(channel, SpeaksTemplates):
            return None
        for template in self._fitting(reply.template, account_key(channel.name, channel.account), locale):
            values = values_of(template, reply)
            if values is not None and (call := channel.render_template(template, values, reply, address)) is not None:
                return call
        return None

    def _fitting(self, reply: str, account: str, locale: str | None) -> list[ContentTemplate]:
        ranked = [(rank_of(one, account, locale), one) for one in self.entries.get(reply, ())]
        known = [(rank, one.account is None, one) for rank, one in ranked if rank is not None]
        return [one for _, _, one in sorted(known, key=lambda entry: entry[:2])]

    def problems(self, contexts: Mapping[str, Mapping[str, Json]]) -> list[str]:
        """Return what `frontdesk check` says about them.

        Args:
            contexts: sample values of every reply that has words; a template for any other reply says nothing.
        """
        found = [f"{name}: no reply has this name" for name in sorted(self.entries.keys() - contexts.keys())]
        for name in sorted(self.entries.keys() & contexts.keys()):
            reply = Reply(template=name, context=dict(contexts[name]))
            for template in self.entries[name]:
                found += [f"{name}: variable {told}" for told in _unusable(template, reply)]
        return [f"{FILE}: {problem}" for problem in found]


NONE_APPROVED = ApprovedTemplates()


def values_of(template: ContentTemplate, reply: Reply) -> dict[str, str] | None:
    """Return a template's variables for a reply; None where the reply does not give one of them."""
    values: dict[str, str] = {}
    for name, source in template.variables.items():
        try:
            values[name] = _evaluated(source, reply)
        except UNUSABLE as error:
            log.warning("template_not_usable", reply=reply.template, variable=name, error=type(error).__name__)
            return None
    return values


def _evaluated(source: str, reply: Reply) -> str:
    value = _compiled(source)(**_context(reply))
    if not isinstance(value, str | int | float):
        raise ValueError(f"gives no text: {type(value).__name__}")  # noqa: TRY004  told like every other fault of it
    return str(value)


def _context(reply: Reply) -> dict[str, Any]:
    return {**reply.context, "choices": [choice.label for choice in reply.choices]}


def _compiled(source: str) -> TemplateExpression:
    return SANDBOX.compile_expression(source, undefined_to_none=False)


def _unusable(template: ContentTemplate, reply: Reply) -> list[str]:
    found = []
    for name, source in template.variables.items():
        try:
            _evaluated(source, reply)
        except UNUSABLE as error:
            found.append(f"{name}: {error}")
    return found


def read_approved(folder: Path) -> ApprovedTemplates:
    """Read the file of a content folder; without one nothing is approved.

    Raises:
        ConfigError: it is not what it should be; the message names the reply and the field.
    """
    path = folder / FILE
    if not path.exists():
        return NONE_APPROVED
    try:
        entries = ENTRIES.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for name, templates in entries.items():
        _check(templates, f"{path}: {name}")
    return ApprovedTemplates(entries)


def _check(templates: Sequence[ContentTemplate], where: str) -> None:
    """Refuse what no provider could send, and two entries between which nobody could choose."""
    for template in templates:
        if template.twilio is None and template.cloud is None:
            raise ConfigError(
                f"{where}: give the ContentSid at Twilio (`twilio`), the template's name at Meta (`cloud`)"
            )
        numbers = sorted(int(name) for name in template.variables if name.isdecimal())
        if numbers and numbers != list(range(1, len(template.variables) + 1)):
            raise ConfigError(f"{where}: variables are 1, 2, 3 ... without a gap, or all have names")
        for name, source in template.variables.items():
            try:
                _compiled(source)
            except TemplateError as error:
                raise ConfigError(f"{where}: variable {name}: {error}") from error
    kinds = [(one.locale, one.account, one.twilio is not None) for one in templates]
    if len(set(kinds)) < len(kinds):
        raise ConfigError(f"{where}: two entries for one language and account")
