"""Every family passes the compliance suite, and broken ones do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import pytest

from pdemill.solvers.discretisers.box import BoxPlace, OnBox
from pdemill.solvers.instance import Instance
from pdemill.solvers.operators.box import BoxGrid
from pdemill.solvers.operators.system import System
from pdemill.spec.field import AnyField, Function
from pdemill.spec.problem import Coefficient, Problem, Terms, Vector, families
from pdemill.testing import ComplianceError, check_family, temporary_parts


def formula(text: str) -> dict[str, str]:
    return {"field": "expression", "formula": text}


SOURCE = formula("2 + cos(3*x)")
VARIED = formula("1.5 + 0.4*sin(2*x + y)")
DRAWN = {"field": "lognormal", "modes": 3, "std": 0.4}
TENSOR = {"diagonal": [VARIED, formula("2 + x*y")]}
ROWS: dict[str, dict[str, Any]] = {
    "poisson": {"source": {"field": "fourier", "waves": 1, "mean": 2}},
    "screened_poisson": {"screening": {"uniform": [1, 2]}, "source": SOURCE},
    "darcy": {"coefficient": DRAWN, "reaction": DRAWN, "source": SOURCE},
    "thermal": {"coefficient": TENSOR, "source": SOURCE},
    "helmholtz": {"coefficient": VARIED, "wavenumber": formula("1.5 + 0.5*x"), "source": SOURCE},
    "convection_diffusion": {
        "coefficient": TENSOR, "velocity": [formula("2 + x"), formula("1 - 2*y")], "reaction": DRAWN, "source": SOURCE,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _parts() -> Iterator[None]:
    with temporary_parts():
        yield


def test_every_family_has_a_row() -> None:
    """Others have tests of their own: tests/spectral and tests/stepping in time, tests/newton and tests/weak."""
    assert set(ROWS) == {name for name, kind in families.items() if kind.linear and not kind.evolves}


@pytest.mark.parametrize("name", ROWS)
def test_every_family_is_what_it_says(name: str) -> None:
    check_family(name, **ROWS[name])


def test_a_discretiser_that_drops_the_reaction_is_caught() -> None:
    class Careless(BoxGrid):
        def assemble(self, instance: Instance) -> System:
            object.__setattr__(instance.terms, "reaction", None)
            return super().assemble(instance)

    class CarelessPlace(BoxPlace):
        def discretise(self, stored: Any = None) -> BoxGrid:
            return Careless(self.resolution, (1.0, 1.0), self.joined, self.properties, self.singular)

    class OnCarelessBox(OnBox):
        name: ClassVar[str] = "careless"
        suffix: ClassVar[str] = "Careless"
        place = CarelessPlace

    places = {"careless": [{"resolution": [n, n]} for n in (16, 32, 64)]}
    with pytest.raises(ComplianceError, match=r"u of darcy on careless differs|reaction of darcy .* is not felt"):
        check_family("darcy", places=places, **ROWS["darcy"])
    with pytest.raises(ComplianceError, match="reaction of darcy on careless is not felt"):
        check_family("darcy", places=places, **(ROWS["darcy"] | {"reaction": 0}))


class Written(Problem):
    """-∇·(k ∇u) + c u = f, for tests to break."""

    coefficient: Coefficient
    reaction: AnyField
    source: AnyField
    operator_fields: ClassVar[tuple[str, ...]] = ("coefficient", "reaction")

    @property
    def damped(self) -> bool:
        return True

    def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
        return Terms(drawn("coefficient"), drawn("source")[0], reaction=drawn("reaction")[0])


KEYS: dict[str, Any] = {"coefficient": DRAWN, "reaction": DRAWN, "source": SOURCE}


def test_a_field_that_no_term_uses_is_caught() -> None:
    class Forgetful(Written):
        family: Literal["forgetful"]

        def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
            return Terms(drawn("coefficient"), drawn("source")[0])

    with pytest.raises(ComplianceError, match="reaction of forgetful on box is used in no term"):
        check_family("forgetful", **KEYS)


def test_an_equation_that_depends_on_the_grid_is_caught() -> None:
    class Gridded(Written):
        family: Literal["gridded"]

        def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
            terms = super().terms(drawn)
            source = terms.source.map(lambda values: values * (1.0 + 1.0 / self.size))
            return Terms(terms.diffusion, source, reaction=terms.reaction)

    with pytest.raises(ComplianceError, match="the source of a sample of gridded depends on the grid"):
        check_family("gridded", **KEYS)


def test_an_operator_that_is_declared_symmetric_and_is_not_is_caught() -> None:
    class Blown(Written):
        family: Literal["blown"]
        velocity: Vector

        def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
            terms = super().terms(drawn)
            return Terms(terms.diffusion, terms.source, drawn("velocity"), terms.reaction)

    with pytest.raises(ComplianceError, match="declares a symmetric operator"):
        check_family("blown", velocity=[1, 2], **KEYS)


def test_a_matrix_that_is_declared_definite_and_is_not_is_caught() -> None:
    class Waves(Written):
        family: Literal["waves"]

        def terms(self, drawn: Callable[[str], tuple[Function, ...]]) -> Terms:
            terms = super().terms(drawn)
            return Terms(terms.diffusion, terms.source, reaction=drawn("reaction")[0].map(lambda c: -30.0 * c))

    keys = KEYS | {"coefficient": VARIED, "reaction": formula("2 + x")}
    with pytest.raises(ComplianceError, match="declared definite"):
        check_family("waves", **keys)


def test_a_matrix_that_is_declared_constant_and_is_not_is_caught() -> None:
    class Same(Written):
        family: Literal["same"]
        operator_fields: ClassVar[tuple[str, ...]] = ("coefficient",)

    with pytest.raises(ComplianceError, match="operator_fields"):
        check_family("same", **(KEYS | {"coefficient": VARIED}))
    with pytest.raises(ComplianceError, match="name it in operator_fields"):
        check_family("same", **(KEYS | {"coefficient": VARIED, "reaction": formula("2 + x")}))


def test_a_family_that_nothing_takes_is_told() -> None:
    with pytest.raises(ComplianceError, match=r"no discretiser takes darcy .*colour: unknown key"):
        check_family("darcy", colour=3)


def test_what_a_test_defines_is_gone_afterwards() -> None:
    with temporary_parts():

        class Passing(Written):
            family: Literal["passing"]

        assert families["passing"] is Passing
    assert "passing" not in families
