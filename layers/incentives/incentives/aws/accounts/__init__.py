"""Partner accounts: funds, spend, alerts."""
