"""Reconciliation: fetch what Amazon shows, judge it against the ledger, close months."""
