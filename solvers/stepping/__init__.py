"""Equations in time on box grids: Runge-Kutta schemes, implicit in what is linear and stiff, explicit in the rest."""
