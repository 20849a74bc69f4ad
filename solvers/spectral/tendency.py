"""N(u) + f of one sample in compiled code: to the points, products there, and back, eight lines at a time.

Coefficients are in rows of the last axis' wave numbers, 0 .. cut and then zeros up to a multiple of eight: planes of
real and of imaginary parts, [2, unknowns, rows, columns]. In one dimension samples are side by side, [2, unknowns,
modes, 8]. What is real is transformed as a complex array of half the length; values at points are never held for more
than eight rows.
"""

from __future__ import annotations

from pdemill.solvers.compiled import compiled
from pdemill.solvers.spectral.fourier import transform
from pdemill.solvers.spectral.lanes import LANES, load, splat, store, turn


@compiled()
def tendency(u, out, plan, quadratic, sample, space):  # type: ignore[no-untyped-def]
    """out = N(u) + f for one sample; u and out are planes, [2 x numbers]."""
    forcing = quadratic.forcing[min(sample, quadratic.forcing.shape[0] - 1)]
    if len(quadratic.coupled) > 0:
        couplings = quadratic.couplings[min(sample, quadratic.couplings.shape[0] - 1)]
        _coupled(u, couplings, quadratic.coupled, forcing, space.base, plan)
        forcing = space.base
    many = quadratic.weights.shape[1]
    if len(quadratic.targets) > many:
        _forced(forcing, quadratic.targets[many:], out, plan)
    if many == 0:
        return
    weights = quadratic.weights[min(sample, quadratic.weights.shape[0] - 1)]
    factors = quadratic.factors[min(sample, quadratic.factors.shape[0] - 1)]
    if plan.sizes[1] == 1:
        _lines(u, out, factors, weights, forcing, plan, quadratic, space)
        return
    for j in range(space.fields.shape[0]):
        _outer_back(u, quadratic.fields[j, 0], factors[j], space.half[j], plan, space.lines)
        _inner_back(space.half[j], plan, space.lines)
    _products(plan, quadratic, space)
    begin, end = 0, 0
    for p in range(space.made.shape[0]):
        while end < many and quadratic.targets[end, 0] == p:
            end += 1
        _inner_forth(space.half[p], plan, space.lines)
        _outer_forth(space.half[p], weights[begin:end], quadratic.targets[begin:end], forcing, out, plan, space.lines)
        begin = end


@compiled()
def _coupled(u, couplings, coupled, forcing, base, plan):  # type: ignore[no-untyped-def]
    """base = f + C u."""
    v, apart = _vectors(plan), u.size // (2 * LANES)
    base[:] = forcing
    for e in range(len(coupled)):
        to, at = coupled[e, 0] * v, coupled[e, 1] * v
        for m in range(v):
            ur, ui = load(u, at + m), load(u, apart + at + m)
            cr, ci = load(couplings[e], m), load(couplings[e], v + m)
            store(base, to + m, load(base, to + m) + (cr * ur - ci * ui))
            store(base, apart + to + m, load(base, apart + to + m) + (cr * ui + ci * ur))


@compiled()
def _forced(forcing, targets, out, plan):  # type: ignore[no-untyped-def]
    """out = f for some unknowns."""
    v, apart = _vectors(plan), out.size // (2 * LANES)
    for e in range(len(targets)):
        at = targets[e, 1] * v
        for m in range(at, at + v):
            store(out, m, load(forcing, m))
            store(out, apart + m, load(forcing, apart + m))


@compiled(forceinline=True)
def _vectors(plan):  # type: ignore[no-untyped-def]
    """Vectors in a plane of one unknown."""
    return plan.sizes[6] if plan.sizes[1] == 1 else plan.sizes[3] * plan.sizes[4] * plan.sizes[5]


@compiled()
def _lines(u, out, factors, weights, forcing, plan, quadratic, space):  # type: ignore[no-untyped-def]
    """The same for one line of eight samples each."""
    for j in range(space.fields.shape[0]):
        field = space.fields[j]
        a, one = quadratic.fields[j, 0], quadratic.fields[j, 1] == 1
        _spread(u, a, factors[j], one, field[0, 0], field[0, 1], plan)
        transform(field[0, 1], field[0, 0], field[1, 1], field[1, 0], plan.line2)
    _multiplied(plan, quadratic, space)
    end = len(plan.line2.radices) % 2
    for p in range(space.made.shape[0]):
        found = space.made[p]
        transform(found[0, 0], found[0, 1], found[1, 0], found[1, 1], plan.line2)
    for e in range(len(weights)):
        found, before = space.made[quadratic.targets[e, 0]], forcing if quadratic.targets[e, 2] else out
        _gather(found[end, 0], found[end, 1], weights[e], before, out, quadratic.targets[e, 1], plan)


@compiled(forceinline=True)
def _mode(u, at, to, d, one, k, v):  # type: ignore[no-untyped-def]
    """Coefficient k of D u, the parts of u at ``at`` and ``to``."""
    ur, ui = load(u, at + k), load(u, to + k)
    if one:
        return ur, ui
    dr, di = load(d, k), load(d, v + k)
    return dr * ur - di * ui, dr * ui + di * ur


@compiled()
def _spread(u, a, d, one, xr, xi, plan):  # type: ignore[no-untyped-def]
    """D u of unknown number a, as ``_entangle`` makes it."""
    half, kept = plan.sizes[2], plan.sizes[6]
    at = a * kept
    to = u.size // (2 * LANES) + at
    zero = splat(0.0)
    ar, ai = _mode(u, at, to, d, one, 0, kept)
    store(xr, 0, ar)
    store(xi, 0, ar)
    for k in range(1, half // 2 + 1):
        cr, ci = splat(plan.turns[2 * k]), splat(plan.turns[2 * k + 1])
        ar, ai, br, bi = zero, zero, zero, zero
        if k < kept:
            ar, ai = _mode(u, at, to, d, one, k, kept)
        if half - k < kept:
            br, bi = _mode(u, at, to, d, one, half - k, kept)
        sr, si, dr, di = ar + br, ai - bi, ar - br, ai + bi
        tr, ti = zero - (cr * di + ci * dr), cr * dr - ci * di
        store(xr, k, sr + tr)
        store(xi, k, si + ti)
        store(xr, half - k, sr - tr)
        store(xi, half - k, ti - si)


@compiled()
def _gather(xr, xi, w, before, out, b, plan):  # type: ignore[no-untyped-def]
    """W times what ``_disentangle`` makes, added to what was there before, for unknown number b."""
    half, kept = plan.sizes[2], plan.sizes[6]
    at = b * kept
    to = out.size // (2 * LANES) + at
    zero = splat(0.0)
    ar, ai = load(xr, 0), load(xi, 0)
    _weighed(out, before, at, to, 0, kept, w, (ar + ai) + (ar + ai), zero)
    for k in range(1, half // 2 + 1):
        cr, ci = splat(plan.turns[2 * k]), splat(plan.turns[2 * k + 1])
        ar, ai, br, bi = load(xr, k), load(xi, k), load(xr, half - k), load(xi, half - k)
        sr, si, dr, di = ar + br, ai - bi, ar - br, ai + bi
        tr, ti = cr * di - ci * dr, zero - (cr * dr + ci * di)
        if k < kept and 2 * k != half:
            _weighed(out, before, at, to, k, kept, w, sr + tr, si + ti)
        if half - k < kept:
            _weighed(out, before, at, to, half - k, kept, w, sr - tr, ti - si)


@compiled()
def _outer_back(u, a, d, half, plan, lines):  # type: ignore[no-untyped-def]
    """D u of unknown number a along the first axis, into the rows of the second that are kept."""
    n0, n1, _, rows0, rows1, blocks, _ = plan.sizes
    v = rows0 * rows1 * blocks
    at = a * v
    to = u.size // (2 * LANES) + at
    xr, xi, end = lines[0, 0], lines[0, 1], lines[len(plan.line0.radices) % 2]
    hr, hi = half[0], half[1]
    zero = splat(0.0)
    if n0 == 1:
        for r in range(rows1):
            for c in range(blocks):
                m, h = r * blocks + c, plan.places1[r] * blocks + c
                ur, ui, dr, di = load(u, at + m), load(u, to + m), load(d, m), load(d, v + m)
                store(hr, h, dr * ur - di * ui)
                store(hi, h, dr * ui + di * ur)
        return
    for r in range(rows1):
        for c in range(blocks):
            for x in range(rows0 // 2 + 1, n0 - rows0 // 2):
                store(xr, x, zero)
                store(xi, x, zero)
            for q in range(rows0):
                m = (q * rows1 + r) * blocks + c
                ur, ui, dr, di = load(u, at + m), load(u, to + m), load(d, m), load(d, v + m)
                store(xr, plan.places0[q], dr * ur - di * ui)
                store(xi, plan.places0[q], dr * ui + di * ur)
            transform(xi, xr, lines[1, 1], lines[1, 0], plan.line0)
            for x in range(n0):
                h = (x * n1 + plan.places1[r]) * blocks + c
                store(hr, h, load(end[0], x))
                store(hi, h, load(end[1], x))


@compiled()
def _inner_back(half, plan, lines):  # type: ignore[no-untyped-def]
    """To the points of the second axis."""
    n0, n1, _, _, rows1, blocks, _ = plan.sizes
    xr, xi, end = lines[0, 0], lines[0, 1], lines[len(plan.line1.radices) % 2]
    hr, hi = half[0], half[1]
    zero = splat(0.0)
    if len(plan.line1.radices) == 0:
        return
    for x in range(n0):
        for c in range(blocks):
            for y in range(rows1 // 2 + 1, n1 - rows1 // 2):
                store(xr, y, zero)
                store(xi, y, zero)
            for q in range(rows1):
                y = plan.places1[q]
                h = (x * n1 + y) * blocks + c
                store(xr, y, load(hr, h))
                store(xi, y, load(hi, h))
            transform(xi, xr, lines[1, 1], lines[1, 0], plan.line1)
            for y in range(n1):
                h = (x * n1 + y) * blocks + c
                store(hr, h, load(end[0], y))
                store(hi, h, load(end[1], y))


@compiled()
def _products(plan, quadratic, space):  # type: ignore[no-untyped-def]
    """Along the last axis, eight rows at a time: to the points, products, and back."""
    blocks = plan.sizes[5]
    end = len(plan.line2.radices) % 2
    for rows in range(space.half.shape[2] // (LANES * LANES * blocks)):
        for j in range(space.fields.shape[0]):
            field = space.fields[j]
            for plane in range(2):
                for c in range(blocks):
                    turn(space.half[j, plane], rows * LANES * blocks + c, blocks, field[0, plane], c * LANES, 1)
            _entangle(field[0, 0], field[0, 1], plan)
            transform(field[0, 1], field[0, 0], field[1, 1], field[1, 0], plan.line2)
        _multiplied(plan, quadratic, space)
        for p in range(space.made.shape[0]):
            found = space.made[p]
            transform(found[0, 0], found[0, 1], found[1, 0], found[1, 1], plan.line2)
            _disentangle(found[end, 0], found[end, 1], plan)
            for plane in range(2):
                for c in range(blocks):
                    turn(found[end, plane], c * LANES, 1, space.half[p, plane], rows * LANES * blocks + c, blocks)


@compiled(forceinline=True)
def _multiplied(plan, quadratic, space):  # type: ignore[no-untyped-def]
    """The products of fields at the points."""
    end, last = len(plan.line2.radices) % 2, -1
    for t in range(len(quadratic.strengths)):
        p, i, j = quadratic.terms[t]
        for plane in range(2):
            _product(
                space.made[p, 0, plane],
                space.fields[i, end, plane],
                space.fields[j, end, plane],
                quadratic.strengths[t],
                p == last,
                plan.sizes[2],
            )
        last = p


@compiled()
def _entangle(xr, xi, plan):  # type: ignore[no-untyped-def]
    """Of the coefficients of real lines, those of the complex ones with the even points for real parts and the odd ones
    for imaginary parts."""
    half, blocks, kept = plan.sizes[2], plan.sizes[5], plan.sizes[6]
    zero = splat(0.0)
    for k in range(kept, max(half + 1, blocks * LANES)):
        store(xr, k, zero)
        store(xi, k, zero)
    store(xi, 0, load(xr, 0))
    for k in range(1, half // 2 + 1):
        cr, ci = splat(plan.turns[2 * k]), splat(plan.turns[2 * k + 1])
        ar, ai, br, bi = load(xr, k), load(xi, k), load(xr, half - k), load(xi, half - k)
        sr, si, dr, di = ar + br, ai - bi, ar - br, ai + bi
        tr, ti = zero - (cr * di + ci * dr), cr * dr - ci * di
        store(xr, k, sr + tr)
        store(xi, k, si + ti)
        store(xr, half - k, sr - tr)
        store(xi, half - k, ti - si)


@compiled()
def _disentangle(xr, xi, plan):  # type: ignore[no-untyped-def]
    """The way back, times 2; zeros beyond the kept modes."""
    half, blocks, kept = plan.sizes[2], plan.sizes[5], plan.sizes[6]
    zero = splat(0.0)
    ar, ai = load(xr, 0), load(xi, 0)
    store(xr, 0, (ar + ai) + (ar + ai))
    store(xi, 0, zero)
    for k in range(1, half // 2 + 1):
        cr, ci = splat(plan.turns[2 * k]), splat(plan.turns[2 * k + 1])
        ar, ai, br, bi = load(xr, k), load(xi, k), load(xr, half - k), load(xi, half - k)
        sr, si, dr, di = ar + br, ai - bi, ar - br, ai + bi
        tr, ti = cr * di - ci * dr, zero - (cr * dr + ci * di)
        store(xr, k, sr + tr)
        store(xi, k, si + ti)
        store(xr, half - k, sr - tr)
        store(xi, half - k, ti - si)
    for k in range(kept, blocks * LANES):
        store(xr, k, zero)
        store(xi, k, zero)


@compiled()
def _product(out, x, y, strength, more, count):  # type: ignore[no-untyped-def]
    """out = strength x y, or that much more."""
    c = splat(strength)
    if more:
        for i in range(count):
            store(out, i, load(out, i) + c * (load(x, i) * load(y, i)))
    else:
        for i in range(count):
            store(out, i, c * (load(x, i) * load(y, i)))


@compiled()
def _inner_forth(half, plan, lines):  # type: ignore[no-untyped-def]
    """From the points of the second axis to the rows that are kept."""
    n0, n1, _, _, rows1, blocks, _ = plan.sizes
    xr, xi, end = lines[0, 0], lines[0, 1], lines[len(plan.line1.radices) % 2]
    hr, hi = half[0], half[1]
    if len(plan.line1.radices) == 0:
        return
    for x in range(n0):
        for c in range(blocks):
            for y in range(n1):
                h = (x * n1 + y) * blocks + c
                store(xr, y, load(hr, h))
                store(xi, y, load(hi, h))
            transform(xr, xi, lines[1, 0], lines[1, 1], plan.line1)
            for q in range(rows1):
                y = plan.places1[q]
                h = (x * n1 + y) * blocks + c
                store(hr, h, load(end[0], y))
                store(hi, h, load(end[1], y))


@compiled()
def _outer_forth(half, w, targets, forcing, out, plan, lines):  # type: ignore[no-untyped-def]
    """Every W times the coefficients, added to the forcing or to what is there."""
    n0, n1, _, rows0, rows1, blocks, _ = plan.sizes
    v, apart = rows0 * rows1 * blocks, out.size // (2 * LANES)
    xr, xi, end = lines[0, 0], lines[0, 1], lines[len(plan.line0.radices) % 2]
    hr, hi = half[0], half[1]
    if n0 == 1:
        for e in range(len(targets)):
            before, at = forcing if targets[e, 2] else out, targets[e, 1] * v
            for r in range(rows1):
                for c in range(blocks):
                    h = plan.places1[r] * blocks + c
                    _weighed(out, before, at, apart + at, r * blocks + c, v, w[e], load(hr, h), load(hi, h))
        return
    for r in range(rows1):
        for c in range(blocks):
            for x in range(n0):
                h = (x * n1 + plan.places1[r]) * blocks + c
                store(xr, x, load(hr, h))
                store(xi, x, load(hi, h))
            transform(xr, xi, lines[1, 0], lines[1, 1], plan.line0)
            for e in range(len(targets)):
                before, at = forcing if targets[e, 2] else out, targets[e, 1] * v
                for q in range(rows0):
                    ar, ai = load(end[0], plan.places0[q]), load(end[1], plan.places0[q])
                    _weighed(out, before, at, apart + at, (q * rows1 + r) * blocks + c, v, w[e], ar, ai)


@compiled()
def _weighed(out, before, at, to, m, v, w, ar, ai):  # type: ignore[no-untyped-def]
    """out = before + w a, vector number m of planes of v, the parts of those of out at ``at`` and ``to``."""
    wr, wi = load(w, m), load(w, v + m)
    br, bi = load(before, at + m), load(before, to + m)
    store(out, at + m, br + (wr * ar - wi * ai))
    store(out, to + m, bi + (wr * ai + wi * ar))
