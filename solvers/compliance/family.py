"""Families: the equation that ``terms`` states is the one that is solved, wherever it is solved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdemill.errors import FamilyError, Fault, SpecError
from pdemill.solvers.compliance.draws import check_company, check_functions
from pdemill.solvers.compliance.matrices import check_matrices, check_null_space
from pdemill.solvers.compliance.order import check_order
from pdemill.solvers.compliance.sides import boundaries
from pdemill.solvers.compliance.solved import places_of, spec_of
from pdemill.solvers.compliance.terms import check_terms
from pdemill.solvers.threads import one_thread
from pdemill.spec.discretiser import discretisers
from pdemill.spec.problem import families
from pdemill.testing.compliance import ComplianceError, Places


@one_thread()
def check_family(name: str, places: Places, keys: Mapping[str, Any]) -> None:
    """See ``pdemill.testing.check_family``."""
    if families[name].evolves:
        raise ComplianceError(f"{name} is an equation in time, and the suite knows steady ones only")
    if not families[name].linear:
        raise ComplianceError(f"{name} is not linear, and the suite knows linear equations only")
    refusals: dict[str, SpecError] = {}
    possible = [by for by, kind in discretisers.items() if kind.may_take(families[name])]
    for by in possible:
        try:
            check_equation(name, keys, places_of(by, places))
        except SpecError as fault:
            refusals[by] = fault
            _explained(name, by, fault)
    if len(refusals) == len(possible):
        reasons = "; ".join(f"{by}: {fault}" for by, fault in refusals.items())
        raise ComplianceError(f"no discretiser takes {name} with the keys {dict(keys)}: {reasons}")


def check_equation(name: str, keys: Mapping[str, Any], grids: list[dict[str, Any]]) -> None:
    """Check a family on the grids of one discretiser; raises SpecError where this refuses it on every kind of side."""
    place = [{"family": name, **grid, **keys} for grid in grids]
    accepted = [sides for sides in boundaries(grids[0]["discretiser"], keys) if _takes({**place[0], "boundary": sides})]
    if not accepted:
        spec_of(place[0])
        raise ComplianceError(f"{name} is refused with all sides that the suite knows: give a boundary")
    for sides in accepted:
        problems = [{**on_grid, "boundary": sides} for on_grid in place]
        try:
            check_functions(problems)
            check_matrices(problems[0])
            check_terms(problems[len(problems) // 2])
            check_company(problems[0])
            check_order(problems)
        except FamilyError as fault:
            raise ComplianceError(f"{name} on {grids[0]['discretiser']}: {fault}") from fault
    check_null_space(place[0])


def _takes(problem: Mapping[str, Any]) -> bool:
    try:
        spec_of(problem)
    except SpecError:
        return False
    return True


def _explained(name: str, by: str, refusal: SpecError) -> None:
    pathless: list[Fault] = [fault for fault in refusal.faults if not fault.path]
    if pathless:
        raise ComplianceError(f"{by} refuses {name} without a path ({pathless[0].message}): name the key in the fault")
