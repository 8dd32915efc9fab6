"""Templates: loaded once, strict about missing variables, every variable escaped for the block and channel it is in.

Which file speaks for reply `x` on Slack in German with tone `formal`? The first of `slack/x.de.formal.j2`,
`slack/x.de.j2`, `slack/x.formal.j2`, `slack/x.j2`, then the same in `default/`. A channel may have a `_layout.j2`
(`email/_layout.j2`): its blocks stand around those of every reply, which they reach with `super()`.

Text from people is only ever a variable: it is not compiled, and it cannot be marked as safe (SECURITY S6, F083).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import DictLoader, StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from core.errors import ConfigError
from core.ports import Escape
from core.replies import Reply

DEFAULT = "default"
LAYOUT = "_layout"
SUFFIX = ".j2"
ESCAPE = "\x00escape"
"""Where the escape of the block that is being rendered travels; no template can name it."""
FILTERS = (
    "capitalize",
    "default",
    "first",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "title",
    "trim",
    "upper",
)
"""Filters of Jinja that templates may use; those that mark text as safe or escape by themselves are not among them."""


@pass_context
def _finalize(context: Context, value: Any) -> Markup:
    """Escape a variable. What a block or macro of ours rendered is done already; None is nothing."""
    if isinstance(value, Markup):
        return value
    escape = context.parent.get(ESCAPE)
    if escape is None:
        raise ConfigError(f"{context.name}: import macros `with context`, else their variables are not escaped")
    return Markup("" if value is None else escape(str(value)))  # noqa: S704  this is the escaping


def _paragraphs(text: str) -> Markup:
    r"""Make HTML paragraphs of a text that a block rendered, and refuse one that nobody escaped.

    >>> _paragraphs(Markup("one\n\ntwo\nthree"))
    Markup('<p>one</p>\n<p>two<br>three</p>')
    """
    if not isinstance(text, Markup):
        raise ConfigError("`paragraphs` takes what a block rendered, as in `self.text() | paragraphs`")
    parts = [part.strip() for part in str(text).split("\n\n")]
    lines = ("<br>".join(part.splitlines()) for part in parts if part)
    return Markup("\n".join(f"<p>{part}</p>" for part in lines))  # noqa: S704  made of escaped parts


def _environment(sources: Mapping[str, str]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=DictLoader(dict(sources)),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters = {name: environment.filters[name] for name in FILTERS} | {"paragraphs": _paragraphs}
    return environment


class Templates:
    """All templates of a folder, read once; make another to see changed files.

    Args:
        root: the folder with `default/` and the channels' folders.
        adapters: further folders, each with the templates of one channel; a file of `root` goes before theirs.

    Raises:
        ConfigError: a file is not UTF-8 or not a template; the message names file and line.
    """

    def __init__(self, root: Path, adapters: Mapping[str, Path] = MappingProxyType({})) -> None:
        self._root = root
        self._files = _files(root, adapters)
        self._sources = {name: _read(path) for name, path in self._files.items()}
        self._environment = _environment(self._sources)
        self._parents = {name: self._parent_of(name) for name in self._sources}
        self._chains: dict[tuple[str, ...], tuple[Template, ...]] = {}

    def words(
        self,
        channel: str,
        reply: Reply,
        escapes: Mapping[str, Escape],
        locale: str | None = None,
        tone: str | None = None,
    ) -> "BoundWords":
        """Bind a reply to its template; `core.ports.Words`.

        The template sees the reply's context and `choices`, the labels offered.

        Raises:
            ConfigError: no template speaks for that reply.
        """
        names = self._chain(channel, reply.template, locale, tone)
        context = {**reply.context, "choices": [choice.label for choice in reply.choices]}
        return BoundWords(self._templates(names), context, escapes)

    @property
    def replies(self) -> frozenset[str]:
        """Return the names of all replies that have words for every channel."""
        files = (name.removeprefix(f"{DEFAULT}/") for name in self._sources if name.startswith(f"{DEFAULT}/"))
        return frozenset(name.split(".")[0] for name in files if not name.startswith("_"))

    @property
    def variants(self) -> frozenset[tuple[str, str]]:
        """Return every pair of suffixes (locale or tone, then tone) that some file has; `("", "")` is always there."""
        parts = (name.rsplit("/", 1)[-1].removesuffix(SUFFIX).split(".")[1:] for name in self._sources)
        return frozenset({("", "")} | {(part[0], part[1] if len(part) > 1 else "") for part in parts if part})

    def _chain(self, channel: str, reply: str, locale: str | None, tone: str | None) -> tuple[str, ...]:
        """Return the files whose blocks make the reply: layout, template, and what that extends."""
        suffixes = _suffixes(locale, tone)
        own = self._first(f"{channel}/{reply}", suffixes) or self._first(f"{DEFAULT}/{reply}", suffixes)
        if own is None:
            raise ConfigError(f"{self._root}: no template {DEFAULT}/{reply}{SUFFIX}")
        name, suffix = own
        # The layout speaks the language of the words that were found, not of those that were looked for.
        layout = self._first(f"{channel}/{LAYOUT}", suffixes[suffixes.index(suffix) :])
        return (*([layout[0]] if layout else []), *self._ancestry(name))

    def _first(self, stem: str, suffixes: tuple[str, ...]) -> tuple[str, str] | None:
        """Return the first file that there is, and its suffix."""
        names = ((f"{stem}{suffix}{SUFFIX}", suffix) for suffix in suffixes)
        return next((found for found in names if found[0] in self._sources), None)

    def _ancestry(self, name: str) -> Iterator[str]:
        seen: set[str] = set()
        following: str | None = name
        while following is not None and following not in seen:
            yield following
            seen.add(following)
            following = self._parents[following]

    def _parent_of(self, name: str) -> str | None:
        """Return what a template extends; it must be a file, named by a constant."""
        try:
            tree = self._environment.parse(self._sources[name], name)
        except TemplateError as error:
            raise ConfigError(f"{self._files[name]}, line {getattr(error, 'lineno', '?')}: {error}") from error
        extends = next(tree.find_all(nodes.Extends), None)
        if extends is None:
            return None
        parent = extends.template.value if isinstance(extends.template, nodes.Const) else None
        if parent not in self._sources:
            raise ConfigError(f"{self._files[name]}, line {extends.lineno}: extends {parent}, which is no template")
        return str(parent)

    def _templates(self, names: tuple[str, ...]) -> tuple[Template, ...]:
        if (found := self._chains.get(names)) is None:
            try:
                found = tuple(self._environment.get_template(name) for name in names)
            except TemplateError as error:
                raise ConfigError(f"{self._files[names[0]]}: {error}") from error
            self._chains[names] = found
        return found


@dataclass(frozen=True)
class BoundWords:
    """The words of one reply; satisfies `core.ports.Words`."""

    templates: tuple[Template, ...]
    context: Mapping[str, Any]
    escapes: Mapping[str, Escape]

    @property
    def file(self) -> str:
        """Return the file that speaks first, for messages about it."""
        return self.templates[0].name or ""

    @cached_property
    def _blocks(self) -> dict[str, list[Any]]:
        """Every block with its versions, the nearest first: what `extends` does, laid out beforehand."""
        blocks: dict[str, list[Any]] = {}
        for name, block in chain.from_iterable(template.blocks.items() for template in self.templates):
            blocks.setdefault(name, []).append(block)
        return blocks

    def has(self, name: str) -> bool:
        """Tell whether the template, its layout, or one that it extends, has that block."""
        return name in self._blocks

    def block(self, name: str) -> str:
        """Render one block, its variables escaped for it.

        Raises:
            ConfigError: no such block, no escape for it, or a variable that the reply does not give.
        """
        if name not in self._blocks:
            raise ConfigError(f"templates/{self.file} has no block {name}")
        if name not in self.escapes:
            raise ConfigError(f"templates/{self.file}: this channel has no escape for block {name}")
        context = self.templates[-1].new_context({**self.context, ESCAPE: self.escapes[name]})
        context.blocks = {block: list(versions) for block, versions in self._blocks.items()}
        try:
            return "".join(self._blocks[name][0](context)).strip("\n")
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"templates/{self.file}, block {name}: {error}") from error


def _suffixes(locale: str | None, tone: str | None) -> tuple[str, ...]:
    """Return what to look for, best first.

    >>> _suffixes("de-AT", "formal")
    ('.de-at.formal', '.de-at', '.de.formal', '.de', '.formal', '')
    """
    tag = (locale or "").lower().replace("_", "-")
    tags = dict.fromkeys(part for part in (tag, tag.split("-")[0]) if part)
    with_tone = [suffix for part in tags for suffix in ([f".{part}.{tone}"] if tone else []) + [f".{part}"]]
    return (*with_tone, *([f".{tone}"] if tone else []), "")


def _files(root: Path, adapters: Mapping[str, Path]) -> dict[str, Path]:
    """Return every template's file by its name, `slack/x.j2`."""
    found: dict[str, Path] = {}
    for prefix, folder in (*((f"{channel}/", folder) for channel, folder in adapters.items()), ("", root)):
        paths = (path for path in sorted(folder.rglob(f"*{SUFFIX}")) if path.is_file())
        found |= {prefix + path.relative_to(folder).as_posix(): path for path in paths}
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}") from error
