"""Conjugate gradients with a multigrid preconditioner, for several systems on one box grid at once."""
