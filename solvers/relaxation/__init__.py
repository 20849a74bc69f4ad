"""Relaxation with a parameter ω in (0, 2), given or learnt along a sequence of systems.

Khodak, Chow, Balcan and Talwalkar 2024, "Learning to relax: setting solver parameters across a sequence of linear
system instances" (ICLR), arXiv 2310.02246. ``sor`` is successive over-relaxation, ``ssor_cg`` conjugate gradients
whose preconditioner is the symmetric one; ``solver`` puts both behind the contract of all solvers. ``learners`` choose
ω from what earlier systems cost: ``bandit`` knows costs alone, ``chebyshev`` also a feature of the matrix, ``context``.
"""
