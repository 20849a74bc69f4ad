"""Orders: the greedy chain, the Hilbert curve, what they cost, and the distance of recycled spaces."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from pdemill.errors import SpecError
from pdemill.points import Array
from pdemill.solvers.field_job import FieldJob
from pdemill.solvers.ordering.clusters import by_clusters, dissimilarity, k_medoids
from pdemill.solvers.ordering.distance import subspace_distance
from pdemill.solvers.ordering.greedy import greedy
from pdemill.solvers.ordering.hilbert import hilbert, hilbert_index, principal_components
from pdemill.solvers.ordering.order import resolve_sort, solve_order
from pdemill.spec import load_preset, validate


def cloud(samples: int, dimensions: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((samples, dimensions))


def chain(features: Array, start: int = 0) -> list[int]:
    """Algorithm 1 of SKR, word for word."""
    left = set(range(len(features))) - {start}
    order = [start]
    while left:
        here = features[order[-1]]
        order.append(min(sorted(left), key=lambda i: float(np.sum((features[i] - here) ** 2))))
        left.remove(order[-1])
    return order


def path_length(features: Array, order: NDArray[np.intp]) -> float:
    return float(np.linalg.norm(np.diff(features[order], axis=0), axis=1).sum())


# --- greedy


@pytest.mark.parametrize(("samples", "dimensions"), [(1, 3), (2, 1), (60, 1), (80, 2), (150, 64)])
def test_greedy_is_algorithm_1(samples: int, dimensions: int) -> None:
    for seed in range(5):
        features = cloud(samples, dimensions, seed)
        assert greedy(features).tolist() == chain(features)
        assert greedy(features, samples - 1).tolist() == chain(features, samples - 1)


def test_ties_go_to_the_lower_number() -> None:
    """Whole numbers, so that distances are exact: many are equal, and points are repeated."""
    features = np.random.default_rng(3).integers(-2, 3, (200, 2)).astype(float)
    assert greedy(features).tolist() == chain(features)
    assert greedy(np.ones((5, 3))).tolist() == [0, 1, 2, 3, 4]
    assert greedy(np.array([[0.0], [1.0], [-1.0], [1.0], [2.0]])).tolist() == [0, 1, 3, 4, 2]


def test_greedy_leaves_its_argument_alone() -> None:
    features = cloud(20, 3)
    before = features.copy()
    greedy(features)
    hilbert(features)
    assert np.array_equal(features, before)


# --- hilbert


@pytest.mark.parametrize(("dimensions", "bits"), [(1, 6), (2, 1), (2, 5), (3, 1), (3, 2), (3, 4), (4, 2)])
def test_the_curve_visits_every_cell_going_from_neighbour_to_neighbour(dimensions: int, bits: int) -> None:
    cells = np.array(list(product(range(2**bits), repeat=dimensions)), dtype=np.int64)
    places = hilbert_index(cells, bits)
    assert sorted(places.tolist()) == list(range(len(cells)))
    along = cells[np.argsort(places)]
    assert (np.abs(np.diff(along, axis=0)).sum(axis=1) == 1).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pieces_of_the_curve_are_blocks(dimensions: int) -> None:
    """The defining property one level up: each 2^d consecutive cells are one cell of the grid twice as coarse."""
    cells = np.array(list(product(range(16), repeat=dimensions)), dtype=np.int64)
    along = cells[np.argsort(hilbert_index(cells, 4))].reshape(-1, 2**dimensions, dimensions) // 2
    assert (along == along[:, :1]).all()
    assert (np.abs(np.diff(along[:, 0], axis=0)).sum(axis=1) == 1).all()


def test_the_curve_has_room_for_the_cells_that_are_used() -> None:
    corners = np.array(list(product((0, 1023), repeat=3)), dtype=np.int64)
    places = hilbert_index(corners, 10)
    assert len(set(places.tolist())) == 8
    assert places.min() >= 0
    assert places.max() < 2**30


def test_principal_components_keep_the_largest_variance() -> None:
    features = cloud(500, 6) * np.array([0.1, 5.0, 0.2, 3.0, 0.3, 1.0]) + 7.0
    reduced = principal_components(features)
    assert reduced.shape == (500, 3)
    np.testing.assert_allclose(reduced.mean(axis=0), 0, atol=1e-12)
    values = np.linalg.eigvalsh(np.cov(features.T))[::-1][:3]
    np.testing.assert_allclose(np.cov(reduced.T), np.diag(values), atol=1e-10)


@pytest.mark.parametrize(("samples", "dimensions"), [(3, 1), (200, 2), (201, 3), (1000, 40), (50, 100)])
def test_hilbert_is_a_permutation(samples: int, dimensions: int) -> None:
    assert sorted(hilbert(cloud(samples, dimensions)).tolist()) == list(range(samples))


def test_hilbert_takes_samples_that_do_not_differ() -> None:
    assert sorted(hilbert(np.ones((500, 4))).tolist()) == list(range(500))
    flat = cloud(500, 4) * np.array([1.0, 0.0, 0.0, 0.0])
    assert path_length(flat, hilbert(flat)) < 4 * np.ptp(flat[:, 0])


def test_runs_along_the_curve_are_greedy_and_begin_where_the_last_one_ended() -> None:
    features = cloud(300, 3)
    runs = hilbert(features, cell_samples=20).reshape(-1, 20)
    for before, run in pairwise(runs):
        members = np.sort(run)
        start = int(np.argmin(np.linalg.norm(features[members] - features[before[-1]], axis=1)))
        assert run.tolist() == members[chain(features[members], start)].tolist()


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_hilbert_is_nearly_as_short_as_greedy(dimensions: int) -> None:
    features = np.random.default_rng(1).uniform(size=(4000, dimensions))
    short, drawn = path_length(features, greedy(features)), path_length(features, np.arange(4000))
    along = path_length(features, hilbert(features))
    assert along < 2.0 * short
    assert along < 0.2 * drawn


def test_hilbert_helps_in_many_dimensions_of_decaying_weight() -> None:
    features = cloud(4000, 20) / (1 + np.arange(20)) ** 2
    short, drawn = path_length(features, greedy(features)), path_length(features, np.arange(4000))
    along = path_length(features, hilbert(features))
    assert along < 2.0 * short
    assert along < 0.5 * drawn


# --- the choice


@pytest.mark.parametrize("sort", ["greedy", "hilbert", "none"])
def test_solve_order_is_a_permutation(sort: str) -> None:
    for shape in ((0, 3), (1, 3), (2, 3), (40, 0), (40, 3)):
        assert sorted(solve_order(sort, cloud(*shape)).tolist()) == list(range(shape[0]))
    assert solve_order("none", cloud(40, 3)).tolist() == list(range(40))
    assert solve_order(sort, cloud(40, 0)).tolist() == list(range(40))


def test_auto_sorts_only_where_it_pays() -> None:
    assert resolve_sort("auto", recycles=False) == "none"
    assert resolve_sort("auto", recycles=True) == "greedy"
    assert resolve_sort("hilbert", recycles=False) == "hilbert"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.view(np.ndarray) if isinstance(value, Counted) else value


class Counted(np.ndarray):
    """An array that counts the numbers gone through by every operation on it and on what follows from it."""

    numbers: ClassVar[int] = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return self._done(getattr(ufunc, method), inputs, options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        return self._done(function, inputs, options)

    def _done(self, function: Any, inputs: Any, options: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        Counted.numbers += max(np.size(value) for value in plain)
        found = function(*plain, **{name: _plain(value) for name, value in options.items()})
        return found.view(Counted) if isinstance(found, np.ndarray) else found


def eliminations(job: FieldJob) -> int:
    """Multiplications in a factorisation of one matrix of a job: in every column, all pairs of its entries."""
    matrix = job.discretisation.assemble(job.instance("train", 0)).matrix.sparse().tocsc()
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return int((np.diff(factors.L.indptr).astype(np.int64) ** 2).sum()) // 2


@pytest.mark.parametrize("sort", [greedy, hilbert])
def test_sorting_a_thousand_samples_is_less_than_a_hundredth_of_the_work_of_solving_them(sort: Any) -> None:
    job = FieldJob(load_preset("fno-darcy"))
    features = np.array([job.features(job.instance("train", sample)) for sample in range(1000)])
    Counted.numbers = 0
    assert np.array_equal(sort(features.view(Counted)), sort(features))
    assert features.size < Counted.numbers < 0.01 * 1000 * eliminations(job)


def test_sorted_samples_of_a_preset_are_closer_than_drawn_ones() -> None:
    job = FieldJob(load_preset("skr-helmholtz", ["problem.resolution=[8, 8]"]))
    features = np.array([job.features(job.instance("train", sample)) for sample in range(200)])
    assert path_length(features, solve_order("greedy", features)) < 0.8 * path_length(features, np.arange(200))


# --- distance of subspaces


def test_distance_of_known_spaces() -> None:
    e = np.eye(5)
    assert subspace_distance(e[:2], e[:3]) == pytest.approx(0.0, abs=1e-15)
    assert subspace_distance(e[:2], e[3:]) == pytest.approx(1.0)
    assert subspace_distance(e[:3], e[:2]) == pytest.approx(1.0)


@pytest.mark.parametrize("angle", [1e-6, 0.1, np.pi / 4, 1.5])
def test_distance_is_the_sine_of_the_largest_angle(angle: float) -> None:
    e = np.eye(6)
    turned = np.array(
        [e[0], np.cos(angle) * e[1] + np.sin(angle) * e[3], np.cos(angle / 2) * e[2] + np.sin(angle / 2) * e[4]]
    )
    assert subspace_distance(turned, e[:3]) == pytest.approx(np.sin(angle), rel=1e-8)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    mixed = rng.standard_normal((3, 3)) @ turned @ turn, rng.standard_normal((3, 3)) @ e[:3] @ turn
    assert subspace_distance(*mixed) == pytest.approx(np.sin(angle), rel=1e-6)
    assert subspace_distance(*mixed[::-1]) == pytest.approx(np.sin(angle), rel=1e-6)


# --- clusters


def directions(clusters: int, each: int, noise: float = 0.05) -> tuple[Array, NDArray[np.intp]]:
    """Vectors about orthogonal directions, of any length and sign, and which one each is about."""
    rng = np.random.default_rng(7)
    of = rng.permutation(np.repeat(np.arange(clusters), each))
    vectors = np.eye(12)[of] + noise * rng.standard_normal((len(of), 12))
    return vectors * rng.uniform(-5, 5, (len(of), 1)), of


def test_clusters_are_found_whatever_lengths_and_signs() -> None:
    vectors, of = directions(6, 9)
    medoids, found = k_medoids(dissimilarity(vectors), 6)
    assert sorted(of[medoids].tolist()) == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(of[medoids][found], of)


def test_clusters_are_visited_one_after_another() -> None:
    vectors, of = directions(5, 10)
    order = by_clusters(vectors)
    assert sorted(order.tolist()) == list(range(50))
    assert np.count_nonzero(np.diff(of[order])) == 4
    assert by_clusters(3.0 * vectors).tolist() == order.tolist()


def test_samples_without_a_direction_and_equal_ones_are_ordered_too() -> None:
    assert sorted(by_clusters(np.zeros((7, 3))).tolist()) == list(range(7))
    assert sorted(by_clusters(np.ones((40, 3))).tolist()) == list(range(40))


def test_waves_are_clustered_by_their_solutions_on_a_coarse_grid() -> None:
    spec = {"problem": {"family": "helmholtz", "resolution": [64, 64], "wavenumber": {"uniform": [10, 20]}},
            "samples": 24, "solver": {"method": "skr", "sort": "clusters"}, "certify": {"refine": 0}}  # fmt: skip
    job = FieldJob(validate(spec))
    assert job.coarse_solution(job.instance("train", 0)).shape == (1024,)
    order = job.order(next(job.layout.shards()))
    assert sorted(order.tolist()) == list(range(24))
    assert FieldJob(validate(spec)).order(next(job.layout.shards())).tolist() == order.tolist()


def test_clusters_are_refused_where_no_grid_can_be_coarsened() -> None:
    with pytest.raises(SpecError, match="clusters are of linear equations without time on boxes") as fault:
        load_preset("skr-thermal", ["solver={method: skr, sort: clusters}"])
    assert fault.value.faults[0].path == ("solver", "sort")
