"""Random numbers: the generator against its published values, prefixes, independence and distributions."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from pdemill.draws import Draw
from pdemill.solvers.draws import MANY, CompiledDraw

WORD = 2**64


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x64-10, written from Salmon et al. 2011, section 3.3, in plain integers."""
    (a, b, c, d), (k0, k1) = counter, key
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * a, WORD)
        high1, low1 = divmod(0xCA5A826395121157 * c, WORD)
        a, b, c, d = high1 ^ b ^ k0, low1, high0 ^ d ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return a, b, c, d


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
        ),
        (
            (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
            (0x452821E638D01377, 0xBE5466CF34E90C6C),
            (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
        ),
    ],
)
def test_the_reference_gives_the_published_words(
    counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    """Rows of kat_vectors of Random123, by the authors of Philox."""
    assert philox(counter, key) == words


def word(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "little")


def levels(draw: Draw, count: int) -> Iterator[float]:
    """The uniform numbers of a draw by the scheme that stores record; numpy counts up before it draws."""
    for number in range(count):
        block, place = divmod(number, 4)
        words = philox((block + 1, 0, draw.sample, word(draw.split)), (draw.seed, word(draw.name)))
        yield ((words[place] >> 12) + 0.5) / 2**52


DRAWS = [Draw(0, "train", 0), Draw(7, "test", 123_456, "/problem/source"), Draw(2**63 - 1, "valid-2", 2**40, "/é")]


@pytest.mark.parametrize("draw", DRAWS, ids=str)
def test_draws_are_philox_with_the_recorded_key_and_counter(draw: Draw) -> None:
    assert draw.uniform(11).tolist() == list(levels(draw, 11))


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("draw", DRAWS, ids=str)
def test_compiled_draws_have_the_same_bits(draw: Draw, kind: str) -> None:
    compiled = CompiledDraw(draw.seed, draw.split, draw.sample).at("a").at(1)
    assert isinstance(compiled, CompiledDraw)
    compiled = CompiledDraw(draw.seed, draw.split, draw.sample, draw.name)
    for count in [1, 11, MANY - 1, *range(MANY, MANY + 5), 128**2]:
        found = getattr(compiled, kind)(count)
        assert found.shape == (count,)
        assert found.tobytes() == getattr(draw, kind)(count).tobytes()


def test_normal_numbers_are_box_muller_of_the_uniform_ones() -> None:
    draw = Draw(3, "train", 5, "/a")
    u, v = draw.uniform(2000).reshape(-1, 2).T
    pairs = np.sqrt(-2 * np.log(u)) * np.stack([np.cos(2 * np.pi * v), np.sin(2 * np.pi * v)])
    np.testing.assert_allclose(draw.normal(2000), pairs.T.ravel(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_more_numbers_never_change_the_ones_before(kind: str) -> None:
    draw = Draw(1, "train", 2, "/field")
    many = getattr(draw, kind)(5000)
    for count in [*range(70), 127, 128, 129, 1023, 4096, 4999]:
        assert getattr(draw, kind)(count).tobytes() == many[:count].tobytes()


def test_names_are_paths() -> None:
    draw = Draw(1, "train", 2)
    assert draw.at("a").at(0) == Draw(1, "train", 2, "/a/0")
    assert draw.at("a").at("b").uniform(3).tolist() == draw.at("a/b").uniform(3).tolist()
    assert draw.name == ""


BASE = Draw(5, "train", 9, "/a")
OTHERS = {
    "seed": Draw(6, "train", 9, "/a"),
    "split": Draw(5, "test", 9, "/a"),
    "split in capitals": Draw(5, "Train", 9, "/a"),
    "sample": Draw(5, "train", 10, "/a"),
    "sample far away": Draw(5, "train", 9 + 2**32, "/a"),
    "name": Draw(5, "train", 9, "/b"),
    "part": Draw(5, "train", 9, "/a/a"),
}


def test_streams_share_no_number() -> None:
    words = [set(draw.uniform(4096).tolist()) for draw in (BASE, *OTHERS.values())]
    assert all(len(one) == 4096 for one in words)
    assert not any(one & other for one, other in combinations(words, 2))


@pytest.mark.parametrize("what", OTHERS)
def test_streams_are_uncorrelated(what: str) -> None:
    count = 20_000
    one, other = BASE.normal(count), OTHERS[what].normal(count)
    for shift in (0, 1, 2, 4):
        correlation = np.corrcoef(one[shift:], other[: count - shift])[0, 1]
        assert abs(correlation) < 4.5 / np.sqrt(count)


def test_consecutive_numbers_of_a_stream_are_uncorrelated() -> None:
    one = BASE.normal(50_000)
    for lag in (1, 2, 3, 4, 8):
        assert abs(np.corrcoef(one[lag:], one[:-lag])[0, 1]) < 4.5 / np.sqrt(50_000)
        assert abs(np.corrcoef(one[lag:] ** 2, one[:-lag] ** 2)[0, 1]) < 4.5 / np.sqrt(50_000)


@pytest.mark.parametrize("across", ["a stream", "samples"])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_distributions(kind: str, across: str) -> None:
    """Kolmogorov and Smirnov, and the first four moments, along one stream and over the first draws of many samples."""
    if across == "a stream":
        values = getattr(Draw(11, "train", 0, "/a"), kind)(100_000)
    else:
        values = np.array([getattr(Draw(11, "train", i, "/a"), kind)(1)[0] for i in range(10_000)])
    law = stats.uniform() if kind == "uniform" else stats.norm()
    assert stats.kstest(values, law.cdf).pvalue > 1e-3
    for order in (1, 2, 3, 4):
        spread = np.sqrt((law.moment(2 * order) - law.moment(order) ** 2) / values.size)
        assert abs(np.mean(values**order) - law.moment(order)) < 4.5 * spread


def test_uniform_numbers_stay_inside_the_open_interval() -> None:
    values = Draw(0, "train", 0).uniform(1_000_000)
    assert 0.0 < values.min() < 1e-5
    assert 1 - 1e-5 < values.max() < 1.0
    assert np.isfinite(Draw(0, "train", 0).normal(1_000_000)).all()
