"""Set budgets, show them, count them again."""
