import pytest

SUITES = ("ledger_suite", "ledger_kept", "ledger_races", "dynamodb_suite", "pacer_suite", "subject")

pytest.register_assert_rewrite(*(f"tests.contract.{name}" for name in SUITES))
