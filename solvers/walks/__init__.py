"""Walk-on-Spheres: -Δu + λ u = f at single points, on domains that no grid reaches."""
