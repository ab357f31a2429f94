"""Turns what was read into pages: templates, static files, the reader's language and clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from alerts.links import ACK_PATH, SHORT_PATH
from alerts.queries import EvidenceView, Stage, TimelineEntry
from alerts.sentences import AREA_TROUBLE
from console import explain, times
from console.access.gate import is_allowed
from console.access.rules import rule_of
from console.access.viewer import Viewer
from console.boards import TOKEN, Boards, Sight
from console.explain import Explanation, Number
from console.language import choose_language
from console.posture import posture_svg
from console.reading import Board, Card
from console.settings import ConsoleSettings
from console.shell import CHOICES, Shell, chosen, lasting, navigation
from console.texts import TEXTS, Texts

_YEAR_S = 365 * 86_400
STATIC = Path(str(resources.files("console"))) / "static"
#: A name longer than this is cut where it is not the only thing on its line.
_NAME_LENGTH = 120
_SHORT_LENGTH = 40
_NAMES = 6
#: What a line of the time line says beside what happened: the set of the word, and where it stands in the row.
_SAID_WITH = (
    ("after", "follow_up"), ("reason", "reason"), ("outcome", "outcome"), ("kind", "kind"), ("replied", "replied"),
)  # fmt: skip
#: What the scripts of a page say by themselves.
_SCRIPT_WORDS = (
    "announce.new", "title.new", "live.lost", "live.stale", "sound.on", "sound.off", "sound.ask",
    "ago.now", "ago.s", "ago.min", "ago.h", "ago.d", "toast.failed", "toast.unreachable", "toast.close",
)  # fmt: skip


class Renderer:
    """Makes pages. ``now_ms`` is asked for the time once per page."""

    def __init__(self, settings: ConsoleSettings, now_ms: Callable[[], int]) -> None:
        self.settings = settings
        self.now_ms = now_ms
        self._templates = _templates()

    def texts(self, request: Request) -> Texts:
        """The texts in the reader's language."""
        language = choose_language(
            asked=request.query_params.get("lang"),
            remembered=request.cookies.get("lang"),
            accepted=request.headers.get("accept-language"),
            default=self.settings.language,
        )
        return TEXTS[language]

    def page(
        self, request: Request, template: str, *, status: int = 200, now_ms: int | None = None, **values: Any
    ) -> Response:
        """A page in the reader's language, theme and size of type; what is asked for in the address is remembered."""
        texts = self.texts(request)
        words = _Words(texts, self.settings, self.now_ms() if now_ms is None else now_ms)
        html = self._templates.get_template(template).render(
            t=texts,
            w=words,
            settings=self.settings,
            now_ms=words.now_ms,
            shell=shell_of(request),
            csrf=getattr(request.state, "csrf", ""),
            script_words=json.dumps({name: texts(name) for name in _SCRIPT_WORDS}, ensure_ascii=False),
            **values,
        )
        response = HTMLResponse(html, status, headers={"vary": "accept-language, cookie"})
        for name, choices in CHOICES.items():
            if (asked := request.query_params.get(name)) in choices:
                response.set_cookie(name, asked, max_age=_YEAR_S, httponly=True, samesite="lax")
        return response

    def board_cards(self, texts: Texts, boards: Boards, board: Board, sight: Sight, now_ms: int) -> Markup:
        """The lists of the board as one reader's sight shows them, with a mark where the token goes."""
        words = _Words(texts, self.settings, now_ms)
        template = self._templates.get_template("board_cards.html")
        # has the template's macros as functions
        module: Any = template.make_module({"t": texts, "w": words, "settings": self.settings, "sight": sight})

        def card_text(card: Card) -> Markup:
            over = words.over(card)
            return Markup(boards.card(card, sight, now_ms, over=over, make=lambda: str(module.card_of(card, TOKEN))))

        return Markup(str(module.lists(board, card_text)))

    def board_part(self, texts: Texts, revision: str, board: Board, cards: Markup, sight: Sight, now_ms: int) -> str:
        """What an open board exchanges."""
        words = _Words(texts, self.settings, now_ms)
        return self._templates.get_template("board_part.html").render(
            t=texts, w=words, settings=self.settings, now_ms=now_ms, revision=revision, board=board, cards=cards,
            sight=sight,
        )  # fmt: skip

    def error(
        self, request: Request, status: int, *, fault: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        """A page that says what went wrong (``fault``, else by the status) and what to do; JSON for ``/api``."""
        texts = self.texts(request)
        text = texts.of("error", fault or str(status))
        if request.url.path.startswith("/api/"):
            response = Response(json.dumps({"error": text}), status, media_type="application/json")
        else:
            response = self.page(request, "error.html", status=status, heading=texts("error.title"), text=text)
        response.headers.update(headers or {})
        return response


def shell_of(request: Request) -> Shell:
    """The frame of a page: the places that this console serves and its reader may open, and what the reader chose."""
    app = request.scope.get("app")
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    if viewer is not None and viewer.stage != "full":
        viewer = None
    served: Mapping[str, Callable[..., object]] = app.state.served if app is not None else {}

    def may_open(address: str) -> bool:
        return viewer is not None and address in served and is_allowed(rule_of(served[address]), viewer)

    return Shell(
        entries=navigation(request.url.path, may_open),
        name=viewer.full_name if viewer is not None else "",
        theme=chosen("theme", request.query_params, request.cookies),
        type=chosen("type", request.query_params, request.cookies),
        home=not request.url.path.startswith((ACK_PATH, SHORT_PATH)),
        query=lasting(request.url.query),
    )


@cache
def _templates() -> Environment:
    """Every template is compiled once in a process."""
    templates = Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["static"] = static_address
    return templates


class _Words:
    """What templates need to say an incident, for one language and one moment."""

    def __init__(self, texts: Texts, settings: ConsoleSettings, now_ms: int) -> None:
        self._t = texts
        self._settings = settings
        self.now_ms = now_ms

    def when(self, at_ms: int, *, relative: bool = True) -> Markup:
        """An instant: local time, and how long ago."""
        zone = self._settings.zone
        absolute = times.clock_time(at_ms, self.now_ms, zone)
        stamp = Markup('<time datetime="{}">{}</time>').format(times.iso_time(at_ms, zone), absolute)
        if not relative:
            return stamp
        ago = times.ago(at_ms, self.now_ms, self._t)
        return stamp + Markup(' <span class="ago" data-tick="ago" data-at="{}">{}</span>').format(at_ms, ago)

    def clock(self, at_ms: int) -> str:
        """An instant as bare local time."""
        return times.clock_time(at_ms, self.now_ms, self._settings.zone)

    def stopwatch(self, start_ms: int, end_ms: int | None = None) -> str:
        """The time from ``start_ms`` until ``end_ms``, or now."""
        return times.stopwatch(((self.now_ms if end_ms is None else end_ms) - start_ms) / 1000)

    def over(self, card: Card) -> bool:
        """Whether its clock runs and has passed its target."""
        clock = card.clock
        return clock.kind != "done" and self.now_ms - clock.start_ms > clock.target_s * 1000

    def target(self, duration_s: float) -> str:
        """A duration to keep to."""
        return times.target(duration_s, self._t)

    def name(self, text: str, longest: int = _NAME_LENGTH) -> Markup:
        """A name from outside: escaped, cut, and apart from the direction of the text around it."""
        cut = text if len(text) <= longest else text[:longest] + "…"
        return Markup("<bdi>") + escape(cut) + Markup("</bdi>")

    def names(self, names: Iterable[str]) -> Markup:
        """Several names from outside; those beyond the first few as their number."""
        every = list(names)
        shown = Markup(self._t("list.comma")).join(self.name(name) for name in every[:_NAMES])
        return shown if len(every) <= _NAMES else shown + Markup(" +{}").format(len(every) - _NAMES)

    def short(self, text: str) -> str:
        """A name for a button or a choice, where no markup can stand."""
        return text if len(text) <= _SHORT_LENGTH else text[:_SHORT_LENGTH] + "…"

    def dial(self, phone: str) -> str:
        """What a telephone dials of a number as people write it."""
        return "".join(mark for mark in phone[:64] if mark in "+0123456789")

    def fill(self, text_id: str, **values: Any) -> Markup:
        """A text with parts that are markup already."""
        return Markup(escape(self._t(text_id))).format_map({key: escape(value) for key, value in values.items()})

    def whom(self, card: Card) -> str:
        """The name of the person, of an area that is silent, or the device that nobody is known for."""
        if card.view.kind == AREA_TROUBLE:
            return card.view.area_name
        return card.view.person_name or self._t("person.unknown", device=card.view.device)

    def headline(self, card: Card) -> Markup:
        """What and who."""
        kind = self._t.of("kind", card.view.kind)
        return self.fill("what.line", kind=kind, name=self.name(self.whom(card)))

    def say(self, card: Card) -> str:
        """What, who and where as plain text, for a screen reader and the title."""
        kind = self._t.of("kind", card.view.kind)
        line = self._t("what.line", kind=kind, name=self.whom(card)[:_NAME_LENGTH])
        where = "" if card.view.kind == AREA_TROUBLE else card.view.address or card.view.area_name
        return self._t("list.comma").join([line, where[:_NAME_LENGTH]] if where else [line])

    def reasons(self, card: Card) -> list[str]:
        """Why it was raised, in short, each once."""
        once: dict[str, None] = {}
        for _, explanation in self.explained(card):
            once.update(dict.fromkeys(explanation.line))
        return list(once)

    def explained(self, card: Card) -> list[tuple[EvidenceView, Explanation]]:
        """What decided on each finding, and that in words."""
        return [(it, self._explain(it)) for it in _decisions(card)]

    def _explain(self, it: EvidenceView) -> Explanation:
        if said := it.notes.get(self._t.language):  # a detector that puts its findings in words itself
            return Explanation((said,), (), (), "", "")
        return explain.explain(it.kind, it.detector, it.features, it.score, self._t)

    def numbers(self, evidence: EvidenceView) -> list[Number]:
        """Everything a finding holds, for its table."""
        return explain.numbers(evidence.features, self._t)

    def posture(self, evidence: EvidenceView) -> Markup:
        """A picture of how far it tilted, where that was measured."""
        angle_deg = explain.tilt_deg(evidence.features)
        label = self._t("posture.label", n="" if angle_deg is None else f"{angle_deg:.0f}")
        before, after = self._t("posture.before"), self._t("posture.after")
        return Markup(posture_svg(angle_deg, before=before, after=after, label=label))

    def entry(self, entry: TimelineEntry, names: Mapping[str, str]) -> Markup | str:
        """A line of the time line: what, by or to whom, why, and the words that somebody wrote."""
        parts: list[Markup | str] = []
        responder = entry.data.get("responder")
        if isinstance(responder, str):
            parts.append(self.name(names.get(responder, responder)))
        elif entry.who != "system":
            parts.append(self.name(self.actor(entry.who_name)))
        for family, key in _SAID_WITH:
            value = entry.data.get(key)
            if isinstance(value, str):
                parts.append(self._t.of(family, value))
        note = entry.data.get("note")
        if isinstance(note, str):
            parts.append(Markup("“<bdi>{}</bdi>”").format(note))
        what = self._t.of("what", entry.what)
        details = Markup(self._t("list.comma")).join(parts)
        return self.fill("log.line", what=what, details=details) if parts else what

    def notes(self, card: Card) -> list[Markup]:
        """What was found out on the way about the message or the clock of the device, each once."""
        once: dict[Markup, None] = {}
        for evidence in card.evidence:
            if self._t.language in evidence.notes:  # its sentence says it all; at the end also how it went on
                if evidence.stage == Stage.FOLLOW_UP.value:
                    once[Markup(escape(evidence.notes[self._t.language]))] = None
                continue
            for name, value in evidence.notes.items():
                if name != "re":  # the id of a command
                    what = self.name(self._t.of("note", name))
                    said = self._t.of("after", value) if name == "outcome" else value
                    once[self.fill("log.line", what=what, details=self.name(said))] = None
        return list(once)

    def joined(self, words: Iterable[str]) -> str:
        """Words as a list in one sentence."""
        return self._t("list.comma").join(words)

    def actor(self, name: str) -> str:
        """Who did something: a word for ours, the name for others."""
        return self._t.of("actor", name)


def _decisions(card: Card) -> list[EvidenceView]:
    """Of each finding the newest stage that decided on it: what came after it says how it went on, not why."""
    decided = {it.detection: it for it in card.view.evidence if it.stage != Stage.FOLLOW_UP.value}
    return [decided.get(it.detection, it) for it in card.evidence]


@lru_cache
def static_address(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep the file."""
    digest = hashlib.blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()
    return f"/static/{name}?v={digest}"
