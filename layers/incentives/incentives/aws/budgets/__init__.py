"""Budgets in DynamoDB."""
