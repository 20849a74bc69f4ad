"""Krylov methods with recycling, written here because they are what the project is about.

GCRO-DR for any matrix: ``gcrodr`` is the run, and ``solver`` puts it behind the contract of all solvers. From the
inside out: ``product`` is A M⁻¹ v by functions of a library or of ours, ``sums`` are inner products in a fixed order,
``arnoldi`` a compiled cycle of them, ``selection`` picks the vectors worth keeping from small matrices, ``learning``
decides when that is done, ``recycle_space`` is what one system leaves to the next, ``carrying`` decides whether it goes
on to another matrix, ``combining`` makes new rows of old ones, ``orthonormal`` keeps images orthonormal, and ``basis``
holds the long vectors of a run.

Conjugate gradients for definite ones: ``recycled_cg`` is the run and its contract, ``conjugate`` the compiled steps,
``window`` the Lanczos vectors that they leave, ``ritz`` picks from small matrices, and ``deflation`` is what one system
leaves to the next, with the long vectors.

Several right-hand sides of one matrix: ``block_cg`` is the run of conjugate gradients, which share a space, and
``block_conjugate`` the compiled steps; ``block_gcrodr`` is the run of GCRO-DR, each in a space of its own, and
``block_arnoldi`` the compiled cycles. ``block_kernels`` are operations on eight vectors side by side, and
``small_blocks`` on matrices of eight rows.

Our A M⁻¹ v: ``level_schedule`` orders the rows of a triangular matrix, ``incomplete`` factorises,
``triangular_kernels`` are the compiled functions, ``triangular`` is a matrix with its preconditioner, and ``backends``
goes to PETSc with what that refuses.
"""
