import pytest

pytest.register_assert_rewrite("tests.openapi.contract", "tests.openapi.served")
