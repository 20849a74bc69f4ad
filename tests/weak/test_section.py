"""Plane sections of tetrahedra."""

from __future__ import annotations

import numpy as np

from pdemill.section import middle_section
from pdemill.solvers.weak.mesh import box_mesh


def test_the_section_of_a_box_is_its_middle_plane() -> None:
    mesh = box_mesh((2, 3, 3), (1.0, 2.0, 1.0))
    places, triangles, values = middle_section(mesh.points, mesh.cells, 3.0 * mesh.points[:, 0] + mesh.points[:, 2])
    a, b, c = (places[triangles[:, i]] for i in range(3))
    doubled = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    np.testing.assert_allclose(0.5 * np.abs(doubled).sum(), 2.0)
    np.testing.assert_allclose(values, 3.0 * places[:, 0] + 0.5, atol=1e-5)
