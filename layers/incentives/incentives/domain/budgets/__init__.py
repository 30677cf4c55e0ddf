"""Budgets: what a campaign may spend, held before anything is sent."""
