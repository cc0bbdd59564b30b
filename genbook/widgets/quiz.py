"""A quiz: a reason for every answer, right or wrong, and no kernel to give it."""

import html
import re
from collections.abc import Mapping, Sequence

import anywidget
import traitlets

from genbook.widgets.panel import Panel, script, style

INLINE = ("code", "em", "strong", "sub", "sup")
OTHER_TAG = re.compile(rf"<(?!/?(?:{'|'.join(INLINE)})>)[^>]*>?")


class Quiz(anywidget.AnyWidget):
    """Questions with radio buttons; see `quiz` for their form."""

    _esm = script("quiz.js")
    _css = style("figure.css", "quiz.css")
    questions = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(self, questions: Sequence[Mapping]):
        super().__init__(questions=_checked(questions))

    def __repr__(self) -> str:
        asked = [
            f"{i}. {_plain(q['question'])}" for i, q in enumerate(self.questions, 1)
        ]
        return "Quiz. " + " ".join(asked)


def quiz(questions: Sequence[Mapping]) -> Panel:
    """Return a quiz as a figure of the book.

    Each question is ``{"question": str, "answers": [{"text": str, "correct": bool,
    "reason": str}, …]}`` with exactly one correct answer; the reason is shown once the
    answer is picked. Texts may hold em, strong, code, sub and sup tags; a bare < or &
    is written ``&lt;`` and ``&amp;``.

    Raises ``ValueError`` for an empty quiz, a missing or unknown key, an empty text,
    fewer than two answers, other than one correct answer, or another tag.
    """
    questions = Quiz(questions)
    return Panel([questions], alt=repr(questions))


def _checked(questions: Sequence[Mapping]) -> list[dict]:
    if not questions:
        raise ValueError("questions: expected at least one, got none")
    for i, question in enumerate(questions, 1):
        where = f"question {i}"
        _keys(question, {"question", "answers"}, where)
        _text(question["question"], where)
        answers = question["answers"]
        if len(answers) < 2:
            raise ValueError(
                f"{where}: expected two or more answers, got {len(answers)}"
            )
        for j, answer in enumerate(answers, 1):
            _keys(answer, {"text", "correct", "reason"}, f"{where}, answer {j}")
            _text(answer["text"], f"{where}, answer {j}")
            _text(answer["reason"], f"{where}, reason {j}")
        right = sum(bool(answer["correct"]) for answer in answers)
        if right != 1:
            raise ValueError(f"{where}: expected one correct answer, got {right}")
    return [
        {**question, "answers": [dict(answer) for answer in question["answers"]]}
        for question in questions
    ]


def _keys(item: Mapping, expected: set[str], where: str) -> None:
    if set(item) != expected:
        raise ValueError(
            f"{where}: expected the keys {sorted(expected)}, got {sorted(item)}"
        )


def _text(text: str, where: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}: expected a text, got {text!r}")
    for tag in OTHER_TAG.findall(text):
        raise ValueError(f"{where}: expected no tag but {', '.join(INLINE)}, got {tag}")


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", text))
