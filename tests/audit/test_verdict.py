"""Verdicts on made-up differences, whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from pdemill.solvers.audit.verdict import judge

PROBES, WALKS = 16, 4096


def test_the_interval_holds_the_error_in_19_of_20_cases() -> None:
    rng = np.random.default_rng(1)
    errors = np.sin(np.linspace(0, 3 * np.pi, 500))
    truth = np.sqrt(np.mean(errors**2))
    for noise in (0.01, 0.3):
        held = []
        for _ in range(2000):
            stderr = np.full(PROBES, noise)
            found = judge(errors[rng.integers(0, 500, PROBES)] + rng.normal(0, noise, PROBES), stderr, 1.0, WALKS, 0.01)
            held.append(abs(found.error - truth) <= found.interval)
        assert np.mean(held) > 0.93


def test_the_noise_of_walks_is_taken_off() -> None:
    rng = np.random.default_rng(2)
    found = judge(2.0 + rng.normal(0, 1, 4000), np.ones(4000), 10.0, WALKS, 1.0)
    assert found.error == pytest.approx(0.2, abs=0.01)
    assert judge(np.zeros(PROBES), np.ones(PROBES), 1.0, WALKS, 0.01).error == 0.0


def test_a_label_within_the_tolerance_is_not_flagged() -> None:
    """Errors at the tolerance's edge are the worst case; 20,000 verdicts, where one in a million may be wrong."""
    rng = np.random.default_rng(3)
    for _ in range(20_000):
        differences = 0.01 * rng.choice([-1, 1], PROBES) + 0.003 * rng.normal(0, 1, PROBES)
        assert not judge(differences, np.full(PROBES, 0.003), 1.0, WALKS, 0.01).flagged


@pytest.mark.parametrize("pattern", ["same", "signs", "one"])
def test_five_standard_errors_too_much_are_flagged(pattern: str) -> None:
    """All probes off by five, which only all of them together show, or one by seven."""
    rng = np.random.default_rng(4)
    for _ in range(200):
        shift = {"same": 5.0, "signs": 5.0 * rng.choice([-1, 1], PROBES), "one": 10.0 * (np.arange(PROBES) == 3)}[
            pattern
        ]
        found = judge(1e-3 * (shift + rng.normal(0, 1, PROBES)), np.full(PROBES, 1e-3), 1.0, WALKS, 1e-6)
        assert found.flagged
        assert "off by" in found.complaint


def test_a_zero_label_is_measured_in_its_own_units() -> None:
    found = judge(np.full(PROBES, 3.0), np.full(PROBES, 1e-3), 0.0, WALKS, 0.01)
    assert found.size == 1.0
    assert found.error == pytest.approx(3.0, rel=1e-5)
    assert found.flagged
