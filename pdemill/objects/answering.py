"""The helper process itself: asks for objects in the name of another process; see ``helper``."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any, BinaryIO

from pdemill.objects.bucket import Bucket

THREADS = 32
"""Requests at once."""


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until nobody asks any more."""
    lock = Lock()
    buckets = cache(Bucket)

    def work(number: int, address: str, method: str, arguments: tuple[Any, ...]) -> None:
        value, failure = None, None
        try:
            value = getattr(buckets(address), method)(*arguments)
        except Exception as error:
            failure = error
        with lock:
            pickle.dump((number, value, failure), answers)
            answers.flush()

    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            try:
                question = pickle.load(questions)
            except EOFError:
                return
            pool.submit(work, *question)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
