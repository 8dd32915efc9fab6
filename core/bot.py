"""The bot: (conversation, event, now, results of actions) -> Turn. This file reads like the story of a turn.

An event that needs nothing is ignored with a reason. Otherwise: what was said (`hear`); who owns the conversation;
then down the ladder until something speaks: a choice or command, the flow that is going on, an intent or an article,
a question which of two was meant, the fallback, a person. Nothing in here looks at the channel, reads a clock or waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.changes import as_message
from core.conversation import ActionWanted, Conversation, Handoff, LastSaid, Session, Trace, Turn, remembering
from core.dialogue.choices import offered, token, used
from core.dialogue.desk import Desk
from core.dialogue.draft import Draft, Saying
from core.dialogue.engine import Results, ask, ended, may_ask, start, walk
from core.dialogue.flows import Collect, Flow, HandoffReason
from core.dialogue.hearing import NO_WORDS, TOO_LATE, TROUBLES, Heard, hear, why_ignored
from core.dialogue.intents import Intent
from core.events import (
    ConversationMoved,
    Event,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
)
from core.handoff.ownership import to_bot, to_queue
from core.handoff.summary import summarize
from core.ids import EventId
from core.knowledge.articles import Article
from core.knowledge.library import Library
from core.model import Json
from core.ports import Understander
from core.reachability import told
from core.replies import Choice, Reply
from core.understanding import IntentScore, Understanding

FALLBACKS = ("fallback", "fallback_again", "fallback_offer_person")
"""What is said to the first, second, third text in a row that is not understood; then a person takes over (row 104)."""
HANDOFF_NOTICES: dict[HandoffReason, str] = {
    "customer_request": "handoff_requested",
    "repeated_fallback": "handoff_not_understood",
}
OTHER_HANDOFF_NOTICE = "handoff_taken_over"
ENGINE_TEMPLATES = frozenset(
    {"article", "clarify", "clarify_one", "cancelled", "back_with_bot", TOO_LATE, NO_WORDS, *TROUBLES.values()}
    | {"opted_out", "introduction", OTHER_HANDOFF_NOTICE, *FALLBACKS, *HANDOFF_NOTICES.values()}
)
"""Every template that is named by code rather than by content."""
OPTED_OUT = "opted_out"
"""Said once to a person who wants no more messages; then nothing is."""
INTRODUCTION = "introduction"
"""Said once where we were added to a group or a channel."""
CERTAIN = 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a decision rests on."""

    session: Session
    heard: Heard
    now: datetime
    results: Results


class Bot:
    """One desk's bot; satisfies `core.ports.Responder`."""

    def __init__(self, desk: Desk, understander: Understander, library: Library, choice_key: bytes) -> None:
        """Make the bot of a desk; `choice_key`, any secret, keeps the tokens of its choices from being guessed."""
        self.desk = desk
        self._choice_key = choice_key
        self._understander = understander
        self._library = library
        person = desk.by_automation("human")
        self._person = person.name if person else None

    def respond(self, conversation: Conversation, event: Event, now: datetime, results: Results) -> Turn | ActionWanted:
        """Take one turn, or name the action whose result is missing; then call again with that result added."""
        if (reason := why_ignored(conversation, event)) is not None:
            return self._ignore(conversation, event, reason)
        if isinstance(event, MessageEdited | MessageDeleted):
            return self._hear_change(conversation, event, now, results)
        if isinstance(event, ConversationMoved):
            return self._note(remembering(conversation, event), event)
        if isinstance(event, ReachabilityChanged | MembershipChanged):
            conversation = told(conversation, event)
        if isinstance(event, MembershipChanged) or (isinstance(event, ReachabilityChanged) and not _begins_anew(event)):
            return self._take_note(conversation, event, now)
        is_answered = _album_of(event) is not None and _album_of(event) == conversation.album
        conversation = self._meet(conversation, event)
        if is_answered:  # a part of an album that came too late for the others
            heard = hear(conversation, event, now, self.desk, self._understander)
            return self._finish(conversation, event, heard, Draft(conversation.session, "silent"), now)
        return self._hear_anew(conversation, event, now, results)

    def _hear_anew(
        self, conversation: Conversation, event: Event, now: datetime, results: Results
    ) -> Turn | ActionWanted:
        if isinstance(event, MessageReceived) and event.is_deleted:
            return self._note(conversation, event)
        heard = hear(conversation, event, now, self.desk, self._understander)
        if conversation.owner != "bot":
            return self._beside_people(conversation, event, heard, now)
        session = conversation.session
        language = self._spoken(event, heard) or session.language
        session = session.model_copy(update={"slots": {**session.slots, **heard.slots}, "language": language})
        draft = self._decide(Scene(session, heard, now, results))
        if isinstance(draft, ActionWanted):
            return draft
        return self._finish(conversation, event, heard, draft, now)

    # Somebody may no longer be written to, or may be again; we came into a group.

    def _take_note(
        self, conversation: Conversation, event: ReachabilityChanged | MembershipChanged, now: datetime
    ) -> Turn:
        """Note it, and say once what the person or the group is to know."""
        template = self._worth_saying(conversation, event)
        met = remembering(conversation, event)
        if template is None:
            return self._note(met, event)
        if isinstance(event, MembershipChanged):
            met = met.model_copy(update={"is_introduced": True})
        known = met.model_copy(update={"address": event.address or met.address})
        return self._finish(
            known, event, Heard(Understanding(text="")), self._reply(template, Draft(met.session, "flow")), now
        )

    def _worth_saying(self, conversation: Conversation, event: ReachabilityChanged | MembershipChanged) -> str | None:
        if isinstance(event, ReachabilityChanged):
            return OPTED_OUT if event.change == "opted_out" and not event.answered_by_platform else None
        is_new = event.change == "joined" and not conversation.is_introduced
        return INTRODUCTION if is_new and self.desk.introduces_itself else None

    # A message that had its turn is changed.

    def _hear_change(
        self, conversation: Conversation, event: MessageEdited | MessageDeleted, now: datetime, results: Results
    ) -> Turn | ActionWanted:
        """Note a change. Where the last thing that was said now asks for something else, that is answered.

        Beside people it is for them to read; what the summary quotes is put right.
        """
        last = conversation.last_said
        known = self._summed_up_anew(remembering(conversation, event), event)
        if last is None or last.message_id != event.message_id:
            return self._note(known, event)
        if isinstance(event, MessageDeleted):
            session = known.session if not event.is_unanswered else _before(last, known.session)
            undone = known.model_copy(update={"last_said": None, "session": session})
            return self._note(undone, event, withdraws=last.event_id)
        before = known.model_copy(update={"session": _before(last, known.session)})
        if conversation.owner != "bot" or not self._asks_otherwise(before, event, now):
            return self._note(known, event)
        corrected = before.model_copy(update={"last_said": last.model_copy(update={"event_id": event.id})})
        answer = self._hear_anew(corrected, as_message(event), now, results)
        return answer if isinstance(answer, ActionWanted) else answer.model_copy(update={"withdraws": last.event_id})

    def _summed_up_anew(self, conversation: Conversation, event: MessageEdited | MessageDeleted) -> Conversation:
        handoff = conversation.handoff
        if handoff is None or handoff.message_id != event.message_id:
            return conversation
        words = event.text if isinstance(event, MessageEdited) else ""
        anew = handoff.model_copy(update={"summary": summarize(handoff.matter, words)})
        return conversation.model_copy(update={"handoff": anew})

    def _asks_otherwise(self, before: Conversation, event: MessageEdited, now: datetime) -> bool:
        """Tell whether an edit changes what is asked; one that only mends the spelling does not."""
        old = self._asked(before, as_message(event.model_copy(update={"text": event.was or ""})), now)
        return old != self._asked(before, as_message(event), now)

    def _asked(self, conversation: Conversation, message: MessageReceived, now: datetime) -> tuple[object, ...]:
        """Return what a message asks for: a choice, an intent or an article, with what it says of the slots."""
        heard = hear(conversation, message, now, self.desk, self._understander)
        ranked = self.desk.ranked(heard.understanding)
        if heard.picked or heard.trouble:
            return (heard.picked, heard.trouble)
        if ranked and ranked[0].confidence >= self.desk.thresholds.sure:
            return (ranked[0].name, sorted(heard.slots.items()))
        hit = self._library.search(heard.text, now)
        known = hit is not None and hit.score >= self.desk.thresholds.knowledge
        return (hit.article.id if hit is not None and known else None, sorted(heard.slots.items()))

    def _note(self, conversation: Conversation, event: Event, withdraws: EventId | None = None) -> Turn:
        """Return a turn that writes something down and says nothing."""
        trace = Trace(event_id=event.id, rung="silent", content_version=self.desk.content_version)
        return Turn(conversation=conversation, trace=trace, withdraws=withdraws)

    def _ignore(self, conversation: Conversation, event: Event, reason: str) -> Turn:
        trace = Trace(event_id=event.id, rung="silent", content_version=self.desk.content_version)
        return Turn(conversation=conversation, trace=trace, ignored=reason)

    def _meet(self, conversation: Conversation, event: Event) -> Conversation:
        """Note who writes, from where, and in which language."""
        session = conversation.session
        spoken = (event.locale or "").replace("_", "-").split("-")[0].lower()
        language = spoken if spoken in self.desk.languages else session.language or self.desk.languages[0]
        said = conversation.last_said
        if not (isinstance(event, MessageReceived) and (event.is_deleted or event.is_late)):
            said = _said(event, session)
        return remembering(conversation, event).model_copy(
            update={
                "address": event.address or conversation.address,
                "album": _album_of(event) or conversation.album,
                "customer_name": event.sender.display_name or conversation.customer_name,
                "last_said": said,
                "session": session.model_copy(update={"turns": session.turns + 1, "language": language}),
            }
        )

    def _spoken(self, event: Event, heard: Heard) -> str | None:
        """Return the language that the words are in, where the platform does not say the person's own."""
        told = heard.understanding.language
        return told if event.locale is None and told in self.desk.languages else None

    # Beside people: the bot is silent until the customer asks for it.

    def _beside_people(self, conversation: Conversation, event: Event, heard: Heard, now: datetime) -> Turn:
        if not self._wants_bot(heard):
            return self._finish(conversation, event, heard, Draft(conversation.session, "silent"), now)
        conversation = to_bot(conversation)
        draft = self._reply("back_with_bot", Draft(conversation.session, "flow"), menu=True)
        return self._finish(conversation, event, heard, draft, now)

    def _wants_bot(self, heard: Heard) -> bool:
        back = self.desk.by_automation("return")
        if back is None:
            return False
        best = heard.understanding.intent
        return heard.picked == back.name or (best.name == back.name and best.confidence >= self.desk.thresholds.sure)

    # The ladder.

    def _decide(self, scene: Scene) -> Draft | ActionWanted:
        if scene.heard.trouble is not None:
            return self._in_trouble(scene, scene.heard.trouble)
        if scene.heard.picked is not None:
            done = self._follow(scene, scene.heard.picked, CERTAIN) or self._fall_back(scene)
            return self._come_back(scene, done)
        if (pending := self._pending(scene.session)) is not None:
            return self._go_on(scene, *pending)
        return self._understand(scene) or self._clarify(scene) or self._fall_back(scene)

    def _in_trouble(self, scene: Scene, template: str) -> Draft | ActionWanted:
        """Answer what holds no words, then come back to the open question."""
        nothing_open = self._pending(scene.session) is None
        return self._come_back(scene, self._reply(template, Draft(scene.session, "fallback"), menu=nothing_open))

    def _pending(self, session: Session) -> tuple[Flow, Collect] | None:
        """Return what the bot waits for; None also when the content no longer knows that step."""
        if session.position is None or (flow := self.desk.flow(session.position.flow)) is None:
            return None
        step = next((step for step in flow.collects if step.id == session.position.step), None)
        return (flow, step) if step is not None else None

    def _go_on(self, scene: Scene, flow: Flow, step: Collect) -> Draft | ActionWanted:
        """Take an answer to the open question; anything else that is understood is answered first (row 107)."""
        if any(collect.slot in scene.heard.slots for collect in flow.collects):
            draft = Draft(scene.session, "flow").remember(fallbacks=0)
            return walk(flow, step.id, draft, scene.results, self._person)
        other = self._understand(scene, at_least=self.desk.thresholds.sure)
        if other is None:
            return ask(flow, step, Draft(scene.session, "flow"), self._person)
        return self._come_back(scene, other)

    def _come_back(self, scene: Scene, done: Draft | ActionWanted) -> Draft | ActionWanted:
        """Come back to the open question after something else, as long as there are new words for it."""
        pending = self._pending(scene.session)
        if pending is None or isinstance(done, ActionWanted) or _moved_on(done, scene.session):
            return done
        flow, step = pending
        return ask(flow, step, done, self._person) if may_ask(step, done.session) else done

    def _understand(self, scene: Scene, at_least: float | None = None) -> Draft | ActionWanted | None:
        """Follow a sure intent, else an article that answers, else an intent that is likely and stands alone."""
        limits = self.desk.thresholds
        ranked = self.desk.ranked(scene.heard.understanding)
        best = ranked[0] if ranked and scene.heard.understanding.in_scope else None
        if best is not None and best.confidence >= limits.sure and (done := self._take(scene, best)) is not None:
            return done
        if (answer := self._search(scene)) is not None:
            return answer
        enough = limits.intent if at_least is None else at_least
        if best is not None and best.confidence >= enough and not self._is_close(ranked):
            return self._take(scene, best)
        return None

    def _take(self, scene: Scene, score: IntentScore) -> Draft | ActionWanted | None:
        return self._follow(scene, score.name, score.confidence)

    def _follow(self, scene: Scene, name: str, confidence: float) -> Draft | ActionWanted | None:
        """Do what the desk does about an intent; None when it can do nothing."""
        if (intent := self.desk.intent(name)) is None:
            return None
        session = scene.session.model_copy(update={"fallbacks": 0})
        if intent.automation in ("flow", "article", "knowledge"):
            session = session.model_copy(update={"last_intent": name})
        draft = Draft(session, "flow", confidence=confidence)
        match intent.automation:
            case "flow":
                return self._start(scene, intent, draft)
            case "article":
                return self._recite(scene, intent, draft)
            case "knowledge":
                return self._search(scene)
            case "reply":
                return self._reply(intent.use or "", draft, menu=intent.offer_menu)
            case "human":
                return draft.hand_off("customer_request")
            case "cancel":
                return self._cancel(draft)
            case "return":
                return self._reply("back_with_bot", draft, menu=True)
            case _:
                return None

    def _start(self, scene: Scene, intent: Intent, draft: Draft) -> Draft | ActionWanted | None:
        flow = self.desk.flow(intent.use or "")
        return start(flow, draft, scene.results, self._person) if flow is not None else None

    def _recite(self, scene: Scene, intent: Intent, draft: Draft) -> Draft | None:
        """Give the article of an intent. A risky matter without a valid source goes to a person (promise 2)."""
        article = self._library.article(intent.use or "", scene.now)
        if article is not None:
            return self._answer_with(article, draft, draft.confidence or 0.0)
        return draft.hand_off("policy") if intent.risk == "high" else None

    def _search(self, scene: Scene) -> Draft | None:
        """Answer from an article that knows enough of the question; never below the threshold (row 111)."""
        hit = self._library.search(scene.heard.text, scene.now)
        if hit is None or hit.score < self.desk.thresholds.knowledge:
            return None
        return self._answer_with(hit.article, Draft(scene.session, "faq").remember(fallbacks=0), hit.score)

    def _answer_with(self, article: Article, draft: Draft, confidence: float) -> Draft:
        offer = (self._person,) if article.risk == "high" and self._person is not None else ()
        context = {"title": article.title, "text": article.text, "source": article.source}
        answered = draft.say("article", dict(context), offer=offer)
        return Draft(answered.session, "faq", answered.sayings, confidence=confidence, article=article.id)

    def _cancel(self, draft: Draft) -> Draft:
        pending = self._pending(draft.session)
        left = ended(pending[0], draft) if pending is not None else draft.remember(position=None)
        return self._reply("cancelled", left, menu=True)

    def _is_close(self, ranked: Sequence[IntentScore]) -> bool:
        limits = self.desk.thresholds
        return len(ranked) > 1 and ranked[0].confidence - ranked[1].confidence < limits.close

    def _clarify(self, scene: Scene) -> Draft | None:
        """Ask which of two was meant, when both are worth a question and neither leads (row 103).

        A text that is unlike all we know is never acted upon, however sure the model is: it is asked about.
        """
        two = [
            score
            for score in self.desk.ranked(scene.heard.understanding)[:2]
            if score.confidence >= self.desk.thresholds.clarify and self._may_offer(score.name)
        ]
        is_strange = not scene.heard.understanding.in_scope
        if not two or (not is_strange and (len(two) < 2 or not self._is_close(two))):
            return None
        draft = Draft(scene.session, "clarify", confidence=two[0].confidence)
        offer = tuple(score.name for score in two)
        if len(two) > 1:
            return draft.say("clarify", offer=offer, kind="question")
        person = (self._person,) if self._person is not None and self._person not in offer else ()
        return draft.say("clarify_one", offer=(*offer, *person), kind="question")

    def _may_offer(self, name: str) -> bool:
        intent = self.desk.intent(name)
        return intent is not None and intent.label is not None

    def _fall_back(self, scene: Scene) -> Draft:
        """Say what the desk can do, then in other words, then offer a person, then hand off (rows 104 and 124)."""
        failures = scene.session.fallbacks
        draft = Draft(scene.session, "fallback").remember(fallbacks=failures + 1)
        if failures >= len(FALLBACKS):
            return draft.hand_off("repeated_fallback")
        is_last = failures == len(FALLBACKS) - 1
        return self._reply(FALLBACKS[failures], draft, menu=not is_last, person=is_last)

    def _reply(self, template: str, draft: Draft, *, menu: bool = False, person: bool = False) -> Draft:
        """Say something that may list what the desk can do, or offer a person."""
        offer = self.desk.menu if menu else ()
        if person and self._person is not None:
            offer = (*offer, self._person)
        return draft.say(template, {"abilities": list[Json](self._labels(self.desk.menu, draft.session))}, offer=offer)

    def _labels(self, intents: Sequence[str], session: Session) -> list[str]:
        known = (self.desk.intent(name) for name in intents)
        return [intent.label_in(session.language) for intent in known if intent is not None]

    # The end of the turn.

    def _finish(self, conversation: Conversation, event: Event, heard: Heard, draft: Draft, now: datetime) -> Turn:
        """Turn the draft into the new state, the replies, and the reasons for both."""
        handoff = None
        if draft.handoff is not None:
            handoff = self._hand_over(conversation, event, heard, draft, draft.handoff)
            conversation, draft = to_queue(conversation), self._notice(draft, draft.handoff)
            conversation = conversation.model_copy(update={"handoff": handoff})
        replies = self._replies(conversation, event, draft)
        choices = [choice for reply in replies for choice in reply.choices]
        kept = used(draft.session.offered, now) if heard.picked is not None else draft.session.offered
        session = draft.session.model_copy(update={"offered": offered(kept, choices, now)})
        return Turn(
            conversation=conversation.model_copy(update={"session": session}),
            replies=replies,
            handoff=handoff,
            trace=self._trace(event, heard, draft),
        )

    def _hand_over(
        self, conversation: Conversation, event: Event, heard: Heard, draft: Draft, reason: HandoffReason
    ) -> Handoff:
        matter = self._labels((draft.session.last_intent or "",), draft.session)
        said = conversation.last_said
        quoted = event.quoted if isinstance(event, MessageReceived) else None
        return Handoff(
            reason=reason,
            summary=summarize(matter[0] if matter else None, heard.text, quoted),
            collected=draft.session.slots,
            matter=matter[0] if matter else None,
            message_id=said.message_id if said is not None else None,
            verified_by=event.sender.verified_by,
        )

    def _notice(self, draft: Draft, reason: HandoffReason) -> Draft:
        back = self.desk.by_automation("return")
        offer = (back.name,) if back is not None and back.label is not None else ()
        template = HANDOFF_NOTICES.get(reason, OTHER_HANDOFF_NOTICE)
        said = draft.say(template, offer=offer, kind="handoff_notice").remember(position=None, fallbacks=0)
        return said.ruled_by("handoff")

    def _replies(self, conversation: Conversation, event: Event, draft: Draft) -> tuple[Reply, ...]:
        replies: list[Reply] = []
        for number, saying in enumerate(draft.sayings):
            choices = self._choices(saying, event, number, draft.session)
            context = {**saying.context, "name": conversation.customer_name}
            replies.append(Reply(template=saying.template, context=context, choices=choices, kind=saying.kind))
        return tuple(replies)

    def _choices(self, saying: Saying, event: Event, number: int, session: Session) -> tuple[Choice, ...]:
        labels = self._labels(saying.offer, session)
        names = [name for name in saying.offer if self.desk.intent(name) is not None]
        return tuple(
            Choice(token=token(self._choice_key, event.id, number, place), label=label, value=name)
            for place, (name, label) in enumerate(zip(names, labels, strict=True))
        )

    def _trace(self, event: Event, heard: Heard, draft: Draft) -> Trace:
        best = heard.understanding.intent
        entities = {entity.name: entity.value for entity in reversed(heard.understanding.entities)}
        return Trace(
            event_id=event.id,
            intent=heard.picked or (best.name if heard.understanding.intents else None),
            confidence=best.confidence if draft.confidence is None else draft.confidence,
            entities=entities,
            rung=draft.rung,
            flow=draft.flow,
            step=draft.step,
            templates=tuple(saying.template for saying in draft.sayings),
            actions=dict(draft.actions),
            article=draft.article,
            handoff=draft.handoff,
            verified_by=event.sender.verified_by,
            content_version=self.desk.content_version,
        )


def _said(event: Event, session: Session) -> LastSaid | None:
    if not isinstance(event, MessageReceived):
        return None
    return LastSaid(message_id=event.message_id, event_id=event.id, before=session)


def _before(last: LastSaid, now: Session) -> Session:
    """Return the session before the last message, but with what has been asked and offered since: that was seen."""
    asked = {name: max(last.before.asked.get(name, 0), times) for name, times in now.asked.items()}
    seen = {"asked": asked, "offered": now.offered, "turns": now.turns, "language": now.language}
    return last.before.model_copy(update=seen)


def _begins_anew(event: ReachabilityChanged) -> bool:
    """Tell whether somebody who opted in again is to be greeted, as if they had opened the conversation."""
    return event.change == "opted_in" and not event.answered_by_platform


def _album_of(event: Event) -> str | None:
    """Return the name of the album that a message belongs to, where the platform gives it one."""
    return (event.album or None) if isinstance(event, MessageReceived) else None


def _moved_on(draft: Draft, before: Session) -> bool:
    """Tell whether a turn inside a flow took it further, left it, or handed it off."""
    return draft.flow is not None or draft.handoff is not None or draft.session.position != before.position
