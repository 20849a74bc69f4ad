"""Threads for what takes long, so many for each kind of it, with a short queue; what finds it full is told at once.

What is left to FastAPI's own threads is short: the ledger, keys, pieces of files.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Literal

from anyio import CapacityLimiter, to_thread

from pdemill.service.problems import Refusal

type Kind = Literal["previews", "pictures", "readers", "specs"]

SIZES: dict[Kind, tuple[int, int]] = {"previews": (1, 4), "pictures": (1, 48), "readers": (3, 24), "specs": (4, 64)}
"""Threads, and places in the queue: previews of specs that were not sent, pictures of samples, what reads stores, what
validates specs and estimates their costs."""
RETRY_SECONDS = 2


class Pool:
    """The threads of one kind."""

    def __init__(self, kind: Kind, threads: int, queue: int) -> None:
        self._kind, self._places = kind, threads + queue
        self._limiter = CapacityLimiter(threads)
        self._inside = 0

    async def run[T](self, function: Callable[[], T]) -> T:
        """Call a function in one of the threads. Raises Refusal while the queue is full."""
        if self._inside >= self._places:
            busy = f"too many {self._kind} are asked for at a time; try again"
            raise Refusal(503, busy, headers={"Retry-After": str(RETRY_SECONDS)})
        self._inside += 1
        try:
            return await to_thread.run_sync(function, limiter=self._limiter)
        finally:
            self._inside -= 1


class Pools:
    """A pool of each kind."""

    def __init__(self) -> None:
        self._pools = {kind: Pool(kind, *size) for kind, size in SIZES.items()}

    async def run[T](self, kind: Kind, function: Callable[[], T]) -> T:
        return await self._pools[kind].run(function)


def pooled[**P, R](kind: Kind) -> Callable[[Callable[P, R]], Callable[P, Coroutine[Any, Any, R]]]:
    """A route that runs in a pool; it has the argument ``state`` or ``pages``."""

    def wrap(route: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
        @wraps(route)
        async def run(*words: P.args, **values: P.kwargs) -> R:
            state: Any = values.get("state") or getattr(values["pages"], "state", None)
            pools: Pools = state.pools
            return await pools.run(kind, partial(route, *words, **values))

        return run

    return wrap
