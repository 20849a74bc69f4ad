"""Sparse Cholesky factors of several symmetric positive definite matrices on one pattern, side by side.

``ordering`` finds the order of elimination and what it fills, once per pattern; ``kernels`` are the multifrontal
factorisation (Duff and Reid 1983) and the solves, in which every number is a vector with a place for each matrix;
``factors`` keeps them for the matrices that came last.
"""

LANES = 4
"""Matrices side by side."""
