"""Philox against the vectors of Random123, and what is made of its words."""

from typing import Any

import numpy as np
import pytest
from numba import njit, uint32

from pdemill.solvers.walks.philox import levels, sin_cos, words

ONES = 0xFFFFFFFF
VECTORS = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
"""The known answers of Random123, file kat_vectors, generator philox4x32 with 10 rounds."""


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_known_vectors(counter: tuple[int, int, int, int], key: tuple[int, int], answer: str) -> None:
    assert " ".join(f"{word:08x}" for word in words(key, *counter)) == answer


@njit  # type: ignore[untyped-decorator]
def _turns(angles: Any, out: Any) -> None:
    for i in range(len(angles)):
        out[i, 0], out[i, 1] = sin_cos(uint32(angles[i]))


def test_turn_is_the_sine_and_cosine_of_the_whole_circle() -> None:
    angles = np.concatenate([np.arange(0, 2**32, 2**32 // 4096), [ONES]]).astype(np.uint32)
    found = np.empty((len(angles), 2))
    _turns(angles, found)
    t = 2 * np.pi * (np.floor(angles / 2**30) / 4 + ((angles % 2**30) + 0.5) / 2**32 - 0.125)
    np.testing.assert_allclose(found, np.stack([np.sin(t), np.cos(t)], axis=1), atol=1e-11)


def test_levels_do_not_depend_on_how_they_are_asked_for() -> None:
    whole = levels((1, 2), 0, 1000, 6, point=3, stream=4)
    parts = np.concatenate([levels((1, 2), i, 250, 6, point=3, stream=4) for i in range(0, 1000, 250)])
    assert np.array_equal(whole, parts)
    assert not np.array_equal(whole, levels((1, 3), 0, 1000, 6, point=3, stream=4))


def test_levels_are_uniform() -> None:
    u = levels((5, 6), 0, 20_000, 3)
    assert u.min() > 0
    assert u.max() < 1
    np.testing.assert_allclose(u.mean(axis=0), 0.5, atol=4 * np.sqrt(1 / 12 / 20_000))
    np.testing.assert_allclose(np.corrcoef(u.T), np.eye(3), atol=4 / np.sqrt(20_000))
