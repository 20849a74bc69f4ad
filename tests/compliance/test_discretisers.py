"""Every discretiser passes the compliance suite, and broken ones do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from pdemill.points import Array
from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.system import System
from pdemill.solvers.walks import labels
from pdemill.solvers.walks.equation import Equation, equation_of
from pdemill.solvers.walks.geometry import Geometry
from pdemill.spec.discretiser import Takes, discretisers
from pdemill.spec.terms import Terms
from pdemill.testing import ComplianceError, check_discretiser, temporary_parts

SECOND = {"elements": [{"resolution": {"h": h}, "order": 2} for h in (0.2, 0.1, 0.05)]}
ROWS: dict[str, list[dict[str, Any]]] = {"box": [{}], "elements": [{}, SECOND], "walks": [{}]}
TABLE = [pytest.param(name, row, id=f"{name}-{i}") for name, rows in ROWS.items() for i, row in enumerate(rows)]


@pytest.fixture(autouse=True)
def _parts() -> Iterator[None]:
    with temporary_parts():
        yield


def test_every_discretiser_has_a_row() -> None:
    """That in time has tests of its own, tests/spectral, as has that of weak forms, which are no terms: tests/weak."""
    assert set(ROWS) == set(discretisers) - {"spectral", "weak"}


@pytest.mark.parametrize(("name", "places"), TABLE)
def test_every_discretiser_is_what_it_says(name: str, places: dict[str, Any]) -> None:
    check_discretiser(name, places=places)


GRIDS = {"broken": [{"resolution": [n, n]} for n in (16, 32, 64)]}


def broken(grid: type[BoxGrid], **more: Any) -> None:
    """Define the discretiser ``broken``, box grids with another class of grids."""

    class BrokenPlace(BoxPlace):
        def discretise(self, stored: Any = None) -> BoxGrid:
            return grid(self.resolution, (1.0, 1.0), self.joined, self.properties, self.singular)

    namespace: dict[str, Any] = {"name": "broken", "suffix": "Broken", "place": BrokenPlace, "__module__": __name__}
    kind: Any = type(OnBox)
    kind("OnBrokenBox", (OnBox,), namespace | more)


def test_the_discretiser_that_others_break_is_right() -> None:
    broken(BoxGrid)
    check_discretiser("broken", places=GRIDS)


def test_a_convection_that_is_dropped_is_caught() -> None:
    class Still(BoxGrid):
        def _convect(self, *_: Any) -> None:
            return

    broken(Still)
    with pytest.raises(ComplianceError, match=r"differs by|is not felt"):
        check_discretiser("broken", places=GRIDS)


def test_walks_that_drop_the_reaction_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(terms: Terms, geometry: Geometry) -> Equation:
        return equation_of(replace(terms, reaction=None), geometry)

    monkeypatch.setattr(labels, "equation_of", without)
    with pytest.raises(ComplianceError, match=r"compliance_probe on walks (differs by|is not felt)"):
        check_discretiser("walks")


def test_a_first_order_side_is_caught() -> None:
    class Crude(BoxGrid):
        def assemble(self, instance: Instance) -> System:
            system = super().assemble(instance)
            return replace(system, rhs=system.rhs * (1.0 + 0.3 / self.shape[0]))

    broken(Crude)
    with pytest.raises(ComplianceError, match="converges with order"):
        check_discretiser("broken", places=GRIDS)


def test_a_condition_that_is_said_to_be_taken_and_is_not_is_caught() -> None:
    class Insulated(BoxGrid):
        def face_value(self, instance: Instance, side: str, *more: Any) -> Any:
            condition, _ = instance.condition(side)
            return super().face_value(instance, side, *more) if condition.essential else (1.0, 0.0)

    broken(Insulated)
    with pytest.raises(ComplianceError, match="differs by"):
        check_discretiser("broken", places=GRIDS)


def test_a_matrix_that_is_declared_symmetric_and_is_not_is_caught() -> None:
    class Skew(BoxGrid):
        def assemble(self, instance: Instance) -> System:
            system = super().assemble(instance)
            values = system.matrix.values.copy()
            values[1] *= 1.0 + 1e-4
            return replace(system, matrix=replace(system.matrix, values=values))

    takes = replace(OnBox.takes, terms=OnBox.takes.terms - {"convection"})
    broken(Skew, takes=takes)
    with pytest.raises(ComplianceError, match="declared symmetric and is not"):
        check_discretiser("broken", places=GRIDS)


def test_other_bits_the_second_time_are_caught() -> None:
    class Drifting(BoxGrid):
        seen: ClassVar[list[int]] = []

        def assemble(self, instance: Instance) -> System:
            self.seen.append(1)
            system = super().assemble(instance)
            return replace(system, rhs=system.rhs * (1.0 + 1e-12 * len(self.seen)))

    broken(Drifting)
    with pytest.raises(ComplianceError, match="has other bits when it is solved a second time"):
        check_discretiser("broken", places=GRIDS)


def test_a_restriction_to_the_wrong_places_is_caught() -> None:
    class Shifted(BoxGrid):
        def restrict(self, fine: Array) -> Array:
            return np.ascontiguousarray(fine[::2, ::2])

        def refined(self) -> BoxGrid:
            fine = super().refined()
            return type(self)(fine.shape, fine.lengths, fine.periodic, fine.properties, bool(fine.null_space))

    broken(Shifted)
    with pytest.raises(ComplianceError, match="restrict"):
        check_discretiser("broken", places=GRIDS)


def test_cells_of_twice_the_size_that_are_others_are_caught() -> None:
    class Squeezed(BoxGrid):
        def coarsened(self) -> BoxGrid:
            return BoxGrid((4, 4), self.lengths, self.periodic, self.properties, bool(self.null_space))

    broken(Squeezed)
    with pytest.raises(ComplianceError, match="coarsened"):
        check_discretiser("broken", places=GRIDS)


def test_grids_must_be_known() -> None:
    broken(BoxGrid)
    with pytest.raises(ComplianceError, match="give places="):
        check_discretiser("broken")


def test_a_discretiser_may_take_little() -> None:
    broken(BoxGrid, takes=Takes(frozenset({"diffusion", "source"}), frozenset({"dirichlet"}), tensor=False))
    check_discretiser("broken", places=GRIDS)


def test_what_is_not_taken_must_be_refused() -> None:
    class Lenient(BoxPlace):
        def _is_taken(self) -> Lenient:  # type: ignore[override]
            return self

        def discretise(self, stored: Any = None) -> BoxGrid:
            return BoxGrid(self.resolution, (1.0, 1.0), self.joined, self.properties, self.singular)

    broken(BoxGrid, place=Lenient, takes=Takes(frozenset({"diffusion", "source"}), frozenset({"dirichlet"})))
    with pytest.raises(ComplianceError, match="does not take a convection term, and does not refuse it"):
        check_discretiser("broken", places=GRIDS)
