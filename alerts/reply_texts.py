"""What responders get back for a reply, in English and Chinese. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import StrEnum


class Said(StrEnum):
    """What became of a reply."""

    YOURS = "yours"  # the responder has the incident
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    NOT_COMING = "not_coming"
    HELP_CALLED = "help_called"
    NOTED = "noted"  # by somebody told beside the calls, which go on
    OTHERS = "others"  # somebody else has it
    OVER = "over"
    REFUSED = "refused"  # as the incident stands that cannot be said of it
    NOTHING_OPEN = "nothing_open"
    WHICH = "which"  # there are several
    SAME_CODE = "same_code"  # and these have the same code
    UNCLEAR = "unclear"  # no key or word that we know
    UNKNOWN_SENDER = "unknown_sender"
    SHARED_NUMBER = "shared_number"
    TOO_MANY = "too_many"


#: As many incidents are listed with their codes.
LISTED = 4
_KEYS = {
    "en": "1 = I go, 2 = I cannot come, 3 = I need help, 4 = on my way, 5 = I am here",
    "zh": "1 我去，2 不能去，3 需要帮助，4 已出发，5 已到达",
}
_TEXTS: dict[str, dict[Said, str]] = {
    "en": {
        Said.YOURS: "You have it: {what}. Send 4 when you set out and 5 when you are there; 2 if you cannot come.",
        Said.EN_ROUTE: "Noted, you are on your way: {what}. Send 5 when you are there.",
        Said.ON_SCENE: "Noted, you are there: {what}. Send 3 if you need help.",
        Said.NOT_COMING: "Noted, you cannot come: {what}.",
        Said.HELP_CALLED: "Help is being called: {what}.",
        Said.NOTED: "Noted, you know of it: {what}. Responders are being called.",
        Said.OTHERS: "{name} has it: {what}. You need not go.",
        Said.OVER: "It is closed: {what}. You need not go.",
        Said.REFUSED: "Nothing was changed: {what}. Open the link of the message, or call your station.",
        Said.NOTHING_OPEN: "There is no open alert for you. Nothing was changed.",
        Said.WHICH: "Which one? Send the key and behind it the number: {list}.",
        Said.SAME_CODE: "Two alerts have this number, and nothing was changed. Please open the link of the message "
        "instead.",
        Said.UNCLEAR: "That was not understood, and nothing was changed. Send {keys}.",
        Said.UNKNOWN_SENDER: "This number is not known here, and nothing was changed. If somebody needs help now, call "
        "the emergency service.",
        Said.SHARED_NUMBER: "This number belongs to several people, and nothing was changed. Please open the link of "
        "the message instead.",
        Said.TOO_MANY: "Too many messages in a minute. Nothing was changed.",
    },
    "zh": {
        Said.YOURS: "已由您接警：{what}。出发请回复4，到达请回复5；不能去请回复2。",
        Said.EN_ROUTE: "已记录您已出发：{what}。到达请回复5。",
        Said.ON_SCENE: "已记录您已到达：{what}。需要帮助请回复3。",
        Said.NOT_COMING: "已记录您不能前往：{what}。",
        Said.HELP_CALLED: "正在通知更多人支援：{what}。",
        Said.NOTED: "已记录您已知晓：{what}。我们正在呼叫救援人员。",
        Said.OTHERS: "{name} 已接警：{what}。您无需前往。",
        Said.OVER: "警情已结束：{what}。您无需前往。",
        Said.REFUSED: "未作任何更改：{what}。请打开消息中的链接，或致电服务站。",
        Said.NOTHING_OPEN: "目前没有您的未结警情。未作任何更改。",
        Said.WHICH: "是哪一起？请回复按键和后面的编号：{list}。",
        Said.SAME_CODE: "有两起警情编号相同，未作任何更改。请改为打开消息中的链接。",
        Said.UNCLEAR: "未能理解，未作任何更改。请回复：{keys}。",
        Said.UNKNOWN_SENDER: "本号码未登记，未作任何更改。如有人急需帮助，请拨打急救电话。",
        Said.SHARED_NUMBER: "本号码属于多人，未作任何更改。请改为打开消息中的链接。",
        Said.TOO_MANY: "一分钟内消息过多。未作任何更改。",
    },
}
#: What a voice says at the begin of a call.
_PRESS = {"en": "Press: {keys}.", "zh": "请按键：{keys}。"}
#: How a short message says that it can be answered, without and with the code of the incident.
_HINTS = {
    "en": ("Reply 1=I go, 2=cannot", "Reply 1 {code}=I go, 2 {code}=cannot"),
    "zh": ("回复1去，2不能", "回复1 {code}去，2 {code}不能"),
}


def answer_text(
    said: Said, language: str, *, what: str = "", name: str = "", which: Sequence[tuple[str, str]] = ()
) -> str:
    """The answer. ``what`` is the incident in words, ``name`` whoever has it, ``which`` the codes to choose among with
    the words of each."""
    listed = ("；" if language == "zh" else "; ").join(f"{code} = {plain(words)}" for code, words in which[:LISTED])
    text = _TEXTS[language][said]
    return text.format(what=plain(what), name=plain(name), list=listed, keys=_KEYS[language])


def press_text(language: str) -> str:
    """What can be pressed, for a voice to say."""
    return _PRESS[language].format(keys=_KEYS[language])


def reply_hint(language: str, code: str) -> str:
    """How a short message can be answered; ``code`` is "" where the message is the only one open."""
    without, with_code = _HINTS[language]
    return with_code.format(code=code) if code else without


def plain(text: str, longest: int = 120) -> str:
    """A text from the registry on one line, without characters that are none, cut where it is too long."""
    kept = "".join(mark if unicodedata.category(mark)[0] != "C" else " " for mark in text)
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 2] + ".."
