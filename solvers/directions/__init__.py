"""Deep conjugate directions: trained networks as directions of an iteration, after Kaneda et al. 2023 (ICML)."""
