"""Iterations of several samples in step: what all of them ask for at a time is answered together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any


def in_step[Asked, Answer, Found](
    tasks: Sequence[Generator[Asked, Answer, Found]], serve: Callable[[list[Asked]], list[Answer]]
) -> list[Found]:
    """What the tasks come to. Each yields what it asks for and is sent the answer; what it gets must not depend on who
    else asks."""
    found: list[Any] = [None] * len(tasks)
    answers: dict[int, Any] = dict.fromkeys(range(len(tasks)))
    while answers:
        asked = {}
        for number, answer in answers.items():
            try:
                asked[number] = tasks[number].send(answer)
            except StopIteration as end:
                found[number] = end.value
        answers = dict(zip(asked, serve(list(asked.values())), strict=True)) if asked else {}
    return found
