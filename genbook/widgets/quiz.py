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

    def __repr__(self) -> str:
        asked = [
            f"{i}. {_plain(q['question'])}" for i, q in enumerate(self.questions, 1)
        ]
        return "Quiz. " + " ".join(asked)


def quiz(questions: Mapping[str, Sequence[tuple[str, bool, str]]]) -> Panel:
    """Return a quiz as a figure of the book.

    Each question has its answers: ``(text, whether it is right, the reason)``, exactly
    one of them right; the reason is shown once the answer is picked. Texts may hold
    em, strong, code, sub and sup tags; a bare < or & is written ``&lt;``, ``&amp;``.

    Raises ``ValueError`` for an empty quiz, an answer that is not such a triple, an
    empty text, fewer than two answers, other than one right answer, or another tag.
    """
    if not questions:
        raise ValueError("questions: expected at least one, got none")
    checked = [
        {"question": _text(text, f"question {i}"), "answers": _answers(answers, i)}
        for i, (text, answers) in enumerate(questions.items(), 1)
    ]
    canvas = Quiz(questions=checked)
    return Panel([canvas], alt=repr(canvas))


def _answers(answers: Sequence[tuple[str, bool, str]], i: int) -> list[dict]:
    if len(answers) < 2:
        raise ValueError(
            f"question {i}: expected two or more answers, got {len(answers)}"
        )
    checked = []
    for j, answer in enumerate(answers, 1):
        where = f"question {i}, answer {j}"
        if len(answer) != 3 or not isinstance(answer[1], bool):
            raise ValueError(f"{where}: expected (text, bool, reason), got {answer!r}")
        text, correct, reason = answer
        text, reason = _text(text, where), _text(reason, f"{where}, reason")
        checked.append({"text": text, "correct": correct, "reason": reason})
    right = sum(answer["correct"] for answer in checked)
    if right != 1:
        raise ValueError(f"question {i}: expected one right answer, got {right}")
    return checked


def _text(text: str, where: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}: expected a text, got {text!r}")
    for tag in OTHER_TAG.findall(text):
        raise ValueError(f"{where}: expected no tag but {', '.join(INLINE)}, got {tag}")
    return text


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", text))
