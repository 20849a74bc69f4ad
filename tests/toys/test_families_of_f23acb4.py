"""Families that derive from the place of one discretiser, as all did before equations and places were taken apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal
from warnings import WarningMessage

import numpy as np
import pytest

import pdemill
from pdemill.errors import SpecError
from pdemill.solvers.families.grid import GridProblem
from pdemill.solvers.families.mesh import MeshProblem
from pdemill.solvers.families.pointwise import PointProblem
from pdemill.solvers.fields.constant import Constant
from pdemill.spec import validate
from pdemill.spec.field import AnyField, Function, NonNegativeField, PositiveField
from pdemill.spec.model import Positive
from pdemill.spec.problem import Coefficient, Problem, Terms


@pytest.fixture(scope="module", autouse=True)
def warnings(toy_parts: None) -> list[WarningMessage]:
    """The families, and what was told while they were defined."""
    with pytest.warns(FutureWarning, match="derives from the place of one discretiser") as told:
        _define()
    return list(told)


def _define() -> None:
    class Fin(GridProblem):
        """-∇·(k ∇u) + (2 a / t) u = f on a box: a thin plate that exchanges heat through both faces."""

        family: Literal["fin"]
        coefficient: Coefficient = Constant(constant=1.0)
        exchange: PositiveField
        thickness: Positive = 0.001
        source: AnyField = Constant(constant=0.0)
        operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "exchange")
        positive: ClassVar[tuple[str, ...]] = ("coefficient", "exchange")

        @property
        def damped(self) -> bool:
            return True

        def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
            (exchange,), (source,) = drawn("exchange"), drawn("source")
            reaction = exchange.map(lambda a: 2.0 * a / self.thickness)
            return Terms(diffusion=drawn("coefficient"), source=source, reaction=reaction)

    class Equation(Problem):
        """What two families have in common, as in darcy."""

        reaction: NonNegativeField = Constant(constant=0.0)
        source: AnyField = Constant(constant=1.0)
        operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")
        positive: ClassVar[tuple[str, ...]] = ("coefficient",)
        not_negative: ClassVar[tuple[str, ...]] = ("reaction",)

        def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
            (reaction,), (source,) = drawn("reaction"), drawn("source")
            return Terms(diffusion=drawn("coefficient"), source=source, reaction=reaction)

    class Plate(Equation, MeshProblem):
        """-∇·(k ∇u) + c u = f on a polygon."""

        family: Literal["plate"]
        coefficient: PositiveField = Constant(constant=1.0)

    class Medium(Equation, GridProblem):
        """-∇·(k ∇u) + c u = f on a box."""

        family: Literal["medium"]
        coefficient: Coefficient = Constant(constant=1.0)

    class MediumAtPoints(Equation, PointProblem):
        """-∇·(k ∇u) + c u = f at points: the same family elsewhere."""

        family: Literal["medium"]
        coefficient: PositiveField = Constant(constant=1.0)


def job(problem: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"problem": problem, "samples": 3, **parts}


SIDES = {"left": {"dirichlet": 100}, "default": {"neumann": 0}}
FIN = {
    "family": "fin",
    "resolution": [12, 10],
    "coefficient": {"uniform": [1, 2]},
    "exchange": {"uniform": [0.001, 0.01]},
    "boundary": SIDES,
}
TRIANGLE = {"outline": [[0, 0], [1, 0], [0, 1]]}
PLATE = {"family": "plate", "resolution": {"h": 0.2}, "domain": TRIANGLE, "coefficient": {"uniform": [1, 2]}}
MEDIUM = {"family": "medium", "resolution": [12, 10], "coefficient": {"uniform": [1, 2]}}
AT_POINTS = {
    "family": "medium",
    "points": {"random": 4},
    "domain": {"lengths": [1, 1]},
    "coefficient": {"uniform": [1, 2]},
}


def test_each_is_told_of_where_it_stands(warnings: list[WarningMessage]) -> None:
    assert [str(one.message).partition(" ")[0] for one in warnings] == ["Fin", "Plate", "Medium", "MediumAtPoints"]
    assert {Path(one.filename).name for one in warnings} == {Path(__file__).name}
    assert "derive it from pdemill.spec.problem.Problem" in str(warnings[0].message)


@pytest.mark.parametrize(
    ("problem", "solver", "channels"),
    [
        (FIN, {"method": "direct"}, ("exchange", "coefficient")),
        (PLATE, {"method": "direct"}, ("coefficient",)),
        (MEDIUM, {"method": "direct"}, ("coefficient",)),
        (AT_POINTS, {"method": "walks", "walks": 64}, ("coefficient",)),
    ],
    ids=["grid", "mesh", "both, on a grid", "both, at points"],
)
def test_the_whole_line(
    tmp_path: Path, problem: dict[str, Any], solver: dict[str, Any], channels: tuple[str, ...]
) -> None:
    out = tmp_path / "store.zarr"
    assert pdemill.generate(job(problem, solver=solver), out, workers=0).ok
    verified = pdemill.verify(out)
    assert verified.ok, verified.faults
    assert pdemill.open(out).channels == channels


def test_a_fin_is_a_darcy_medium_with_a_reaction(tmp_path: Path) -> None:
    fin = {**FIN, "exchange": 0.002, "coefficient": 1.5, "source": {"uniform": [1, 2]}}
    medium = {"family": "darcy", "resolution": [12, 10], "boundary": SIDES, "source": {"uniform": [1, 2]}}
    stored = []
    for number, problem in enumerate((fin, {**medium, "reaction": 4.0, "coefficient": 1.5})):
        out = tmp_path / f"{number}.zarr"
        assert pdemill.generate(job(problem, solver={"method": "direct"}), out, workers=0).ok
        stored.append(pdemill.open(out)[:]["y"])
    np.testing.assert_array_equal(stored[0], stored[1])


def test_they_are_asked_for_elsewhere_in_vain() -> None:
    with pytest.raises(SpecError, match="fin is written for box only, and this asks for elements"):
        validate(job({**FIN, "resolution": {"h": 0.2}, "domain": TRIANGLE, "boundary": {}}))
