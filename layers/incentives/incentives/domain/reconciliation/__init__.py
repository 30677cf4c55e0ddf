"""Reconciliation: what Amazon charged and what the ledger holds, day by day, and the close of a month."""
