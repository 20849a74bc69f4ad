"""One store filled by several runs of ``generate``: which shards each of them takes, and when it ends early."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import time
from types import FrameType

UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""They ask a run to end after the shards at work; Slurm sends them to its worker processes too."""
DURATION = re.compile(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?")
STEP_TASKS = "SLURM_STEP_NUM_TASKS"
"""Set by srun alone: a script that sbatch runs has a SLURM_PROCID of 0 and the number of tasks too."""
ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT")


@dataclass(frozen=True)
class Part:
    """Run ``number`` (from 1) of ``count`` that fill one store together: it takes every count-th shard."""

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def of[T](self, shards: Sequence[T]) -> Sequence[T]:
        """Its own ones of all shards of a store, whether or not they are finished."""
        return shards[self.number - 1 :: self.count]


def part(text: str, environment: Mapping[str, str]) -> Part:
    """The part that ``K/N`` means, or that Slurm's variables tell where ``text`` is ``slurm``. Raises ValueError."""
    if text == "slurm":
        return _of_slurm(environment)
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"should be K/N with K from 1 to N, such as 2/8, or slurm, not {text!r}")
    return Part(int(found[1]), int(found[2]))


def _of_slurm(environment: Mapping[str, str]) -> Part:
    """Task by task of a step, and step by step of an array of jobs."""
    number, count = 0, 1
    if all(name in environment for name in ARRAY):
        task, first, step, count = (_number(environment, name) for name in ARRAY)
        number = (task - first) // step
        if not 0 <= number < count or (task - first) % step:
            raise ValueError(f"SLURM_ARRAY_TASK_ID is {task}, no task of an array of {count} from {first} by {step}")
    if STEP_TASKS in environment:
        tasks = _number(environment, STEP_TASKS)
        number, count = number * tasks + _number(environment, "SLURM_PROCID"), count * tasks
    elif int(environment.get("SLURM_NTASKS", "1")) > 1:
        raise ValueError("the job has several tasks, and this is none of them; start it by srun")
    elif ARRAY[0] not in environment:
        raise ValueError("no variables of Slurm tell of tasks; start it by srun, or in an array of jobs")
    return Part(number + 1, count)


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except (KeyError, ValueError):
        raise ValueError(f"{name} should be a whole number, not {environment.get(name)!r}") from None


def end_time(text: str, now: float) -> float:
    """The time in seconds since 1970 that a duration such as ``3h30m``, or a date and time, means. Raises ValueError.

    Dates are local where they do not tell their zone.
    """
    if text and (found := DURATION.fullmatch(text)):
        return now + sum(int(given[:-1]) * UNITS[given[-1]] for given in found.groups() if given)
    try:
        end = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        end = 0.0
    if end <= now or len(text) <= len("2027-01-31"):
        raise ValueError(
            f"should be a duration such as 3h30m, or a time to come such as 2027-01-31T08:00, not {text!r}"
        )
    return end


class Ending:
    """Whether a run begins further shards: not once it was asked to end, and none that would take it past ``until``
    (seconds since 1970) if it took as long as the longest before it."""

    def __init__(self, until: float | None = None) -> None:
        self.until = until
        self.asked = False

    def is_due(self, longest: float) -> bool:
        """Whether no further shard is to be begun; ``longest``: seconds that the longest shard has taken."""
        return self.asked or (self.until is not None and time() + longest > self.until)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within, SIGTERM and SIGUSR1 ask the run to end after the shards at work, and a second one ends it at once."""
        before = {number: signal.getsignal(number) for number in SIGNALS}

        def ask(number: int, frame: FrameType | None) -> None:
            self.asked = True
            restore()

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        for number in SIGNALS:
            signal.signal(number, ask)
        try:
            yield
        finally:
            restore()
