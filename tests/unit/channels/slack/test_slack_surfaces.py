"""Modals and the home tab, against the stand-in: S16, S21, S23, S26."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.models.views import View as SdkView

from channels.slack import forms
from channels.slack.channel import SlackChannel
from channels.slack.forms import VIEW_ESCAPES, complaints, home, modal
from channels.slack.surfaces import OPENS_WITHIN_S, Surfaces
from core.errors import ConfigError, StoreUnavailable
from core.events import CommandGiven, FormSubmitted
from core.forms import Form, FormField
from core.ids import DeskName
from core.ports import Ability
from hub.content import Content, load_content
from hub.emulate import slack
from hub.emulate.people import SlackPerson
from hub.emulate.platforms import Platforms
from hub.offers import DeskOffers
from hub.settings import Desk
from hub.templating import Templates
from tests.fakes import FakeClock
from tests.shared_files import PROJECT
from tests.unit.channels.slack.slack_samples import ACCOUNT, FakeInbox, FakeWords, resources, sample, settings, socket
from tests.unit.hub.emulate.kit import running, until_quiet

CONTENT = load_content(PROJECT / "config" / "content")
FORM = CONTENT.forms[0]
GOOD = {"summary": "My laptop does not start", "category": "hardware", "urgency": "blocked"}


def offers(language: str = "en", content: Content = CONTENT) -> DeskOffers:
    desk = Desk(name=DeskName("it"), accounts=("slack:acme",), tone="direct", languages=(language,))
    return DeskOffers(content, desk, Templates(PROJECT / "templates"), "slack")


@dataclass
class Scene:
    """A person, the account, and what reached the inbox."""

    platforms: Platforms
    person: SlackPerson
    channel: SlackChannel
    inbox: FakeInbox

    async def done(self) -> None:
        await until_quiet(self.platforms)
        await asyncio.gather(*self.channel._surfaces._publishing)

    @property
    def modals(self) -> dict[str, object]:
        return dict(self.platforms.slack.views.modals)


@asynccontextmanager
async def scene(shown: DeskOffers | None = None) -> AsyncIterator[Scene]:
    inbox = FakeInbox()
    async with running() as platforms:
        lent = dataclasses.replace(resources(inbox), clock=platforms.world.clock, offers=lambda *_: shown or offers())
        account = settings(
            bot_token=slack.BOT_TOKEN,
            signing_secret=slack.SIGNING_SECRET,
            api_url=f"{platforms.http['slack'].url}/api/",
        )
        channel = SlackChannel(ACCOUNT, account, lent)
        application = web.Application()
        application.add_routes(channel.routes())
        async with TestServer(application, host="127.0.0.1") as server:
            url = f"http://127.0.0.1:{server.port}/slack/acme"
            yield Scene(platforms, SlackPerson(platforms.world, platforms.slack, url, 1), channel, inbox)
            await channel.close()


async def test_a_command_opens_the_form_with_what_was_typed_and_is_not_journaled() -> None:
    """S21: `views.open` first."""
    async with scene() as told:
        delivery = told.person.command("it", "My laptop is broken")
        await told.done()
        assert delivery.progress == "taken"
        view = told.platforms.slack.views.modals[told.person.name]
        assert view["callback_id"] == "form:it_request"
        assert view["blocks"][0]["element"]["initial_value"] == "My laptop is broken"
        assert told.inbox.rows == []


async def test_what_is_wrong_is_shown_below_its_field_and_nothing_is_journaled() -> None:
    """S23: errors are keyed by `block_id`; the modal stays."""
    async with scene() as told:
        told.person.command("it")
        await told.done()
        told.person.submit(summary=" ", category="hardware", email="not an address")
        await told.done()
        assert told.platforms.slack.views.errors[told.person.name] == {
            "summary": "Please fill this in.",
            "urgency": "Please fill this in.",
            "email": "Please write it like you@example.com.",
        }
        assert told.modals
        assert told.inbox.rows == []


async def test_a_form_that_can_be_taken_closes_and_becomes_one_event_with_all_fields() -> None:
    """S23: an empty answer closes the modal; the person's direct messages are the conversation."""
    async with scene() as told:
        told.person.command("it")
        await told.done()
        told.person.submit(**GOOD, email="ann@example.com")
        await told.done()
        assert not told.modals
        (row,) = told.inbox.rows
        (event,) = told.channel.normalize(row)
        assert isinstance(event, FormSubmitted)
        assert (event.form, event.fields) == ("it_request", GOOD | {"email": "ann@example.com"})
        assert event.conversation_id == f"slack:acme:{told.person.name}"
        assert event.address == {"channel": told.person.name, "user": told.person.name}


async def test_a_form_is_not_answered_before_it_is_durable() -> None:
    async with scene() as told:
        told.person.command("it")
        await told.done()
        told.inbox.available = False
        told.person.submit(**GOOD)
        await told.done()
        assert told.modals, "Slack shows that it could not connect, and what was written stays"


@pytest.mark.parametrize("since_s", [3.1, 60.0])
async def test_a_command_whose_trigger_is_over_is_answered_in_words(since_s: float) -> None:
    """S21: the trigger lives three seconds; then the bot answers the command as on any other platform."""
    async with scene() as told:
        views = told.platforms.slack.views
        views.clock = FakeClock()
        trigger = views.trigger
        views.trigger = lambda user: _late(views.clock, trigger(user), since_s)  # type: ignore[method-assign]
        told.person.command("it", "help")
        await told.done()
        assert not told.modals
        (row,) = told.inbox.rows
        (event,) = told.channel.normalize(row)
        assert isinstance(event, CommandGiven)
        assert (event.name, event.arguments) == ("it", "help")


def _late(clock: object, trigger: str, since_s: float) -> str:
    assert isinstance(clock, FakeClock)
    clock.advance(since_s)
    return trigger


async def test_a_slack_that_does_not_answer_does_not_hold_the_command_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """S21: an answer within three seconds, whatever views.open does."""
    assert OPENS_WITHIN_S < 3.0
    monkeypatch.setattr("channels.slack.surfaces.OPENS_WITHIN_S", 0.01)

    async def never(_place: str, _act: object) -> None:
        await asyncio.Event().wait()

    surfaces = Surfaces(offers(), never)
    assert await surfaces.respond(_command()) is None


def _command() -> object:
    return socket("slash_commands", {"command": "/it", "user_id": "U1", "team_id": "T1", "trigger_id": "1.2.x"})


async def test_other_commands_and_presses_are_journaled_as_ever() -> None:
    async with scene() as told:
        told.person.command("help")
        await told.done()
        assert len(told.inbox.rows) == 1
        assert not told.modals


async def test_a_global_shortcut_opens_the_form_too() -> None:
    async def note(_place: str, act: object) -> None:
        opened.append(_place)

    opened: list[str] = []
    surfaces = Surfaces(offers(), note)
    payload = {"type": "shortcut", "callback_id": "it", "team": {"id": "T1"}, "user": {"id": "U1"}, "trigger_id": "1.2"}
    answer = await surfaces.respond(socket("interactive", payload))
    assert answer is not None
    assert opened == ["T1"]
    (event,) = SlackChannel(ACCOUNT, settings(), resources(FakeInbox())).normalize(socket("interactive", payload))
    assert isinstance(event, CommandGiven)
    assert event.name == "it"


async def test_the_home_tab_says_what_the_bot_can_do_and_is_published_once() -> None:
    """S16: `app_home_opened` on every opening; `view` tells what was published before."""
    async with scene() as told:
        told.person.open_home()
        await told.done()
        homes = told.platforms.slack.views.homes
        first = homes[told.person.name]
        labels = [button["text"]["text"] for block in first["blocks"] for button in block.get("elements", ())]
        assert labels == ["IT request", "Order status", "Refunds", "Password reset", "Billing"]
        told.person.open_home()
        await told.done()
        assert homes[told.person.name] is first, "it is there already"
        homes[told.person.name] = first | {"private_metadata": "of an older version"}
        told.person.open_home()
        await told.done()
        assert homes[told.person.name]["private_metadata"] == first["private_metadata"]


async def test_a_button_of_the_home_tab_asks_for_what_it_says() -> None:
    async with scene() as told:
        told.person.open_home()
        await told.done()
        told.inbox.rows.clear()
        told.person.press_at_home("Order status")
        await told.done()
        (row,) = told.inbox.rows
        (event,) = told.channel.normalize(row)
        assert isinstance(event, CommandGiven)
        assert (event.name, event.conversation_id) == ("order", f"slack:acme:{told.person.name}")


async def test_a_button_of_the_home_tab_opens_the_form() -> None:
    async with scene() as told:
        told.person.open_home()
        await told.done()
        told.inbox.rows.clear()
        told.person.press_at_home("IT request")
        await told.done()
        assert told.modals
        assert told.inbox.rows == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_slacks_own_library_takes_every_view(language: str) -> None:
    """CHANNELS 1.5: title 24, label 2000, placeholder 150, 100 blocks, as `validate_json` knows them."""
    said = offers(language)
    for view in (modal(FORM, said.words(FORM.template, {}, VIEW_ESCAPES), "x" * 500), home(said)):
        SdkView(**view).validate_json()
        assert json.dumps(view)
    assert (
        modal(FORM, said.words(FORM.template, {}, VIEW_ESCAPES), "x" * 500)["blocks"][0]["element"]["initial_value"]
        == "x" * FORM.fields[0].max_chars
    )


def test_every_problem_of_every_form_has_its_words() -> None:
    words = offers().words(FORM.template, {}, VIEW_ESCAPES)
    values = {"summary": "x" * 121, "category": "nothing of the list", "email": "no"}
    assert set(complaints(FORM, words, values)) == {"summary", "category", "urgency", "email"}
    assert complaints(FORM, words, GOOD) == {}


@pytest.mark.parametrize(
    "words",
    ["", "[]", "[1]", '[{"title": "T"}]', '[{"title": "T", "submit": "S", "close": "C", "fields": {"a": {}}}]'],
)
def test_words_that_do_not_fit_their_form_say_so(words: str) -> None:
    form = Form(name="f", commands=("f",), fields=(FormField(name="a"),))
    with pytest.raises(ConfigError):
        modal(form, FakeWords(view=words))


def test_a_title_that_slack_would_refuse_is_found_before(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"title": "x" * 25, "submit": "S", "close": "C", "fields": {"a": {"label": "A"}}}
    form = Form(name="f", commands=("f",), fields=(FormField(name="a"),))
    with pytest.raises(ConfigError, match="25 characters"):
        modal(form, FakeWords(view=json.dumps([words])))


def test_more_abilities_than_one_row_of_buttons_get_another() -> None:
    class Many:
        forms = ()
        abilities = tuple(Ability(f"c{n}", f"Ability {n}") for n in range(60))

        def words(self, *_: object) -> FakeWords:
            return FakeWords(blocks="[]")

    view = home(Many())  # type: ignore[arg-type]
    assert [len(block["elements"]) for block in view["blocks"]] == [25, 25, 10]
    SdkView(**view).validate_json()


@pytest.mark.parametrize("options", [{"kind": "choice"}, {"kind": "line", "options": ("a",)}, {"pattern": "("}])
def test_a_field_that_cannot_be_asked_for_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(Exception, match=r"options|unterminated|missing"):
        FormField.model_validate({"name": "a"} | options)


def test_a_submission_of_a_modal_that_is_not_ours_is_nothing() -> None:
    assert SlackChannel(ACCOUNT, settings(), resources(FakeInbox())).normalize(sample("view_submission.json")) == ()


def test_the_home_template_is_one() -> None:
    assert forms.HOME in CONTENT.templates


async def test_without_offers_everything_is_journaled() -> None:
    async def nobody(_place: str, _act: object) -> None:
        raise StoreUnavailable("never asked")

    surfaces = Surfaces(None, nobody)
    assert await surfaces.respond(_command()) is None
    surfaces.notice(sample("home_messages.json"))
    await surfaces.close()
