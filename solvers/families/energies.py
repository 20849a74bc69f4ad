"""Energies of hyperelastic bodies, as definitions of a form."""

from __future__ import annotations

from pdemill.solvers.families.elastic_sides import LAME

INVARIANTS = {"F": "Identity({0}) + grad(displacement)", "J": "det(F)", "C": "transpose(F)*F", "I1": "tr(C) + {1}"}
LAWS: dict[str, dict[str, str]] = {
    "neo_hookean": {**LAME, "energy": "mu/2*(I1 - 3 - 2*ln(J)) + lmbda/2*ln(J)**2"},
    "mooney_rivlin": {
        "I2": "(I1**2 - inner(C, C) - {1})/2",
        "energy": "c1*(J**(-2/3)*I1 - 3) + c2*(J**(-4/3)*I2 - 3) + bulk/2*(J - 1)**2",
    },
}
OF_LAW = {"neo_hookean": ("E", "nu"), "mooney_rivlin": ("c1", "c2", "bulk")}
"""The keys that laws have."""


def energy(law: str, dimension: int) -> dict[str, str]:
    """``energy`` of a ``displacement``, and what it is made of; two dimensions are plane strain."""
    texts = {**INVARIANTS, **LAWS[law]}
    return {name: text.format(dimension, 3 - dimension) for name, text in texts.items()}
