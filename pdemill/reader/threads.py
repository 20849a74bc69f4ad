"""Reading a batch in several threads: decoding and waiting both leave the interpreter free."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import parent_process
from typing import Protocol


class Piece(Protocol):
    """A read of some chunks."""

    def fill(self) -> None: ...


def fill(pieces: Sequence[Piece], threads: int) -> None:
    """Do all reads; the error of the first that fails is raised.

    The workers of a loader are many already: in a process that multiprocessing started there is one thread. Threads end
    with the batch, so that a process that reads can be forked.
    """
    threads = 1 if parent_process() is not None else min(threads, len(pieces))
    if threads < 2:
        for piece in pieces:
            piece.fill()
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(piece.fill) for piece in pieces]:
            done.result()
