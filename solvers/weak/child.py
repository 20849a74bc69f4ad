"""Compiles one form, as a process of its own: a description on standard input becomes a shared library.

    python -P -m pdemill.solvers.weak.child FOLDER CPU_SECONDS MEMORY_BYTES COMPILER

The description becomes UFL (Alnæs et al. 2014), node by node from tables; FFCx (Kirby and Logg 2006) makes C of it, of
its derivative and of outputs, and a C compiler machine code, to which every warning is an error. FOLDER then holds
``form.so`` and ``form.json``: which coefficients and constants each form has, and the hash of the former.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import basix.ufl
import ffcx.codegeneration
import ffcx.compiler
import ffcx.options
import ufl

from pdemill.solvers.weak.loops import LOOPS

FLAGS = (
    "-std=gnu17", "-O3", "-fno-math-errno", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror",
    "-Wno-unused-parameter", "-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-unused-const-variable",
    "-Wno-missing-field-initializers", "-Wno-misleading-indentation",
)  # fmt: skip
FEW = 4
"""Powers up to which are written as products."""
CELLS = {2: "triangle", 3: "tetrahedron"}
FUNCTIONS: dict[str, Any] = {
    name: getattr(ufl, name)
    for name in (
        "grad", "nabla_grad", "div", "nabla_div", "curl", "sym", "skew", "dev", "transpose", "tr", "det", "inv",
        "inner", "dot", "outer", "cross", "max_value", "min_value", "lt", "gt", "le", "ge", "conditional",
        "exp", "ln", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "sign",
    )
} | {"abs": abs, "cofac": ufl.cofac}  # fmt: skip


class Builder:
    """UFL of a description."""

    def __init__(self, description: dict[str, Any]) -> None:
        d, cell = description["dimension"], CELLS[description["dimension"]]
        self.mesh = ufl.Mesh(basix.ufl.element("Lagrange", cell, 1, shape=(d,)))
        self.names: dict[str, Any] = {}
        self.labels: dict[Any, str] = {}
        parts = [_element(cell, order, size) for _, order, size, _ in description["unknowns"]]
        element = parts[0] if len(parts) == 1 else basix.ufl.mixed_element(parts)
        space = ufl.FunctionSpace(self.mesh, element)
        self.state, test = ufl.Coefficient(space), ufl.TestFunction(space)
        self.labels[self.state] = ""
        split = (lambda whole: (whole,)) if len(parts) == 1 else ufl.split
        self.tests: dict[str, Any] = {}
        for (name, _, _, label), u, v in zip(description["unknowns"], split(self.state), split(test), strict=True):
            self.names[name], self.names[label], self.tests[label] = u, v, v
        for name, where, order, size in description["coefficients"]:
            if where == "constant":
                made = ufl.Constant(self.mesh, shape=(size,) if size else ())
            else:
                kind = _element(cell, order, size) if where == "nodes" else _cells(cell, size)
                made = ufl.Coefficient(ufl.FunctionSpace(self.mesh, kind))
            self.names[name], self.labels[made] = made, name
        x = ufl.SpatialCoordinate(self.mesh)
        self.names |= {"X": x, "n": ufl.FacetNormal(self.mesh), "pi": ufl.as_ufl(math.pi)}
        self.names |= {axis: x[i] for i, axis in enumerate("xyz"[:d])}
        for name, node in description["definitions"]:
            self.names[name] = self.value(node)
        self.residual = self._sum(description["integrals"])
        self.jacobian = ufl.derivative(self.residual, self.state)
        self.outputs = [self._sum(integrals) for integrals in description.get("outputs", ())]

    def _sum(self, integrals: Any) -> Any:
        return sum((self._integral(*one) for one in integrals), start=ufl.form.Form([]))

    def _integral(self, measure: str, side: int, degree: int, node: Any, along: Any, negative: bool) -> Any:
        over = {"dx": ufl.dx, "ds": ufl.ds}[measure]
        over = over(domain=self.mesh, metadata={"quadrature_degree": degree})
        value = self.value(node)
        form = (-value if negative else value) * (over if side < 0 else over(side))
        if along is None:
            return form
        test = self.tests[along[1]]
        direction = [
            entry if other is test else 0.0 * entry
            for other in self.tests.values()
            for entry in ([other] if not other.ufl_shape else [other[i] for i in range(other.ufl_shape[0])])
        ]
        whole = direction[0] if not self.state.ufl_shape else ufl.as_vector(direction)
        return ufl.derivative(form, self.state, test if len(self.tests) == 1 else whole)

    def value(self, node: Any) -> Any:
        kind, word, parts = node
        match kind:
            case "number":
                return ufl.as_ufl(float(word))
            case "name":
                return self.names[word]
            case "sign":
                inner = self.value(parts[0])
                return -inner if word == "-" else inner
            case "**":
                return self._power(*parts)
            case "list":
                return ufl.as_tensor([self.value(part) for part in parts])
            case "index":
                base, *places = [self.value(part) for part in parts]
                return base[tuple(int(float(place)) for place in places)]
            case "call" if word == "Identity":
                return ufl.Identity(int(float(self.value(parts[0]))))
            case "call":
                return FUNCTIONS[word](*[self.value(part) for part in parts])
        left, right = (self.value(part) for part in parts)
        match kind:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
        return left / right

    def _power(self, base: Any, exponent: Any) -> Any:
        a, b = self.value(base), self.value(exponent)
        if isinstance(b, ufl.constantvalue.ScalarValue) and float(b).is_integer() and 1 <= float(b) <= FEW:
            found = a
            for _ in range(int(float(b)) - 1):
                found = found * a
            return found
        return a**b


def _element(cell: str, order: int, size: int) -> Any:
    return basix.ufl.element("Lagrange", cell, order, shape=(size,) if size else None)


def _cells(cell: str, size: int) -> Any:
    return basix.ufl.element("DG", cell, 0, shape=(size,) if size else None)


def _limit(seconds: int, memory: int) -> None:
    for what, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, hard))


def main(folder: Path, compiler: str) -> None:
    """Compile what stands on standard input."""
    built = Builder(json.loads(sys.stdin.read()))
    options: dict[str, Any] = {name: value[1] for name, value in ffcx.options.FFCX_DEFAULT_OPTIONS.items()}
    forms = [built.residual, built.jacobian, *built.outputs]
    (_, code), _ = ffcx.compiler.compile_ufl_objects(forms, options, namespace="pdemill")
    told = [
        {
            "coefficients": [built.labels[one] for one in form.coefficients()],
            "constants": [built.labels[one] for one in form.constants()],
        }
        for form in forms
    ]
    source = folder / "form.c"
    pointers = ", ".join(f"&form_pdemill_{number}" for number in range(len(forms)))
    table = f"static ufcx_form** pdemill_forms[] = {{{pointers}}};\n"
    source.write_text(code.replace('#include "pdemill.h"', "") + table + LOOPS, encoding="utf-8")
    include = Path(ffcx.codegeneration.__file__).parent
    made = folder / "form.so"
    processor = os.environ.get("NUMBA_CPU_NAME", "native")  # as kernels are: images name one for all machines
    target = [f"-I{include}", str(source), "-o", str(made), "-lm"]
    command = [*shlex.split(compiler), *FLAGS, f"-march={processor}", *target]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit("the C compiler refuses it: " + " ".join(found.stderr.split())[:600])
    known = {"forms": told, "sha256": sha256(made.read_bytes()).hexdigest()}
    (folder / "form.json").write_text(json.dumps(known), encoding="utf-8")


if __name__ == "__main__":
    _limit(int(sys.argv[2]), int(sys.argv[3]))
    main(Path(sys.argv[1]), sys.argv[4])
