"""Walk-on-Spheres: domains, kernels, estimators."""
