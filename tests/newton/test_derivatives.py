"""Derivatives of formulas against complex steps, differences, and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdemill.solvers.derivatives import PARTIAL, derivative
from pdemill.solvers.formulas import BINARY, CONSTANTS, FUNCTIONS, check, parsed, value_of

U = np.array([0.3, 0.7, 1.4, 2.6])
NAMES: dict[str, Any] = {"u": U, "a": 1.3, "x": np.array([0.1, 0.9, 0.4, 0.6]), **CONSTANTS}
SMOOTH = [
    "u", "a", "2 - u", "+u", "-u*x", "u/(1 + u)", "a/u", "u**2", "u**-3", "u**0.5", "u**0", "(1 + u*x)**(1/3)",
    "sin(u)", "cos(2*u)", "tan(u/3)", "exp(-u**2)", "log(u)", "sqrt(u)", "tanh(u - x)", "atan2(u, x)", "atan2(x, u**2)",
    "u*sin(u)*exp(u)", "exp(sin(cos(u)))", "log(1 + exp(u))/sqrt(1 + u**2)", "(u - a)**3*(u + a)**-2",
    "a*u*(1 - u) + u**2/(1 + u**2)", "((u**2)**2)**2", "u**2/u**2", "tan(tanh(u))**2", "x*u**pi",
]  # fmt: skip
KINKED = ["abs(u - 1)", "sign(u - 1)*u", "min(u, 1)", "max(u, x)", "min(u**2, max(u, 2))", "abs(sin(3*u))*max(u, 0)"]


def slope(formula: str, u: Any, name: str = "u") -> Any:
    tree = parsed(formula)
    check(tree, NAMES)
    names = {**NAMES, name: u}
    return np.broadcast_to(value_of(derivative(tree, name), names), U.shape)


@pytest.mark.parametrize("formula", [f for f in SMOOTH if "atan2" not in f])
def test_smooth_formulas_have_the_derivative_of_a_complex_step(formula: str) -> None:
    step = 1e-30
    wanted = np.broadcast_to(np.imag(value_of(parsed(formula), {**NAMES, "u": U + 1j * step})) / step, U.shape)
    np.testing.assert_allclose(slope(formula, U), wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("formula", SMOOTH + KINKED)
def test_all_formulas_have_the_derivative_of_differences(formula: str) -> None:
    step = 1e-5
    ends = [value_of(parsed(formula), {**NAMES, "u": U + side * step}) for side in (-1, 1)]
    wanted = np.broadcast_to((ends[1] - ends[0]) / (2 * step), U.shape)
    np.testing.assert_allclose(slope(formula, U), wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [("abs(u)", 0.0), ("max(u, 0)", 0.5), ("min(u, 0)", 0.5), ("sign(u)", 0.0), ("max(u, 3*u)", 2.0)],
)
def test_at_kinks_it_is_the_mean_of_both_sides(formula: str, wanted: float) -> None:
    np.testing.assert_array_equal(slope(formula, np.zeros(4)), wanted)


def test_it_is_taken_by_one_name() -> None:
    np.testing.assert_allclose(slope("u**2*a", 2.0, "a"), U**2)
    np.testing.assert_array_equal(slope("u**2*x", 2.0, "a"), 0.0)


def test_second_derivatives_are_derivatives_of_derivatives() -> None:
    tree = derivative(derivative(parsed("exp(2*u)*u"), "u"), "u")
    np.testing.assert_allclose(value_of(tree, NAMES), (4 * U + 4) * np.exp(2 * U))


def test_every_operator_and_function_has_a_rule() -> None:
    assert set(PARTIAL) == set(FUNCTIONS) | set(BINARY)
    assert all(len(PARTIAL[name]) == arguments for name, (arguments, _) in FUNCTIONS.items())


@pytest.mark.parametrize("formula", ["*".join(["u"] * 45), "sin(" * 60 + "u" + ")" * 60, "/".join(["u"] * 45)])
def test_long_formulas_have_derivatives_that_are_soon_evaluated(formula: str) -> None:
    check(parsed(formula), NAMES)
    assert np.isfinite(slope(formula, U)).all()
