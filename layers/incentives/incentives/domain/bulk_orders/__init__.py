"""Bulk orders."""
