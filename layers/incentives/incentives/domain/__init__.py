"""The rules: money, request ids, ledger states, outcomes, recovery. No AWS, no network, no environment, no clock."""
