"""Requests whose outcome is unknown."""
