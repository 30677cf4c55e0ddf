"""Reconciliation: the books at rest."""
