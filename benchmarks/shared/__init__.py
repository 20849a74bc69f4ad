"""What the tables have in common: one rule of timing, the solvers that are compared, reports."""
