"""Shared by all tables: one rule of timing, the solvers that are compared, reports."""
