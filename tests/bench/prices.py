"""AWS's public list prices in us-east-1, in dollars, without free tiers and discounts. Check before relying on them.

Source: the pricing page of each service, as of the date below. What is assumed rather than measured stands at the end.
"""

from __future__ import annotations

from typing import Final

AS_OF: Final = "2026-11"
REGION: Final = "us-east-1"

MILLION: Final = 1_000_000

# ---- per use ----------------------------------------------------------------------------------
API_REQUEST: Final = 3.50 / MILLION  # REST API, the first 333 million of a month
LAMBDA_REQUEST: Final = 0.20 / MILLION
LAMBDA_GB_SECOND: Final = 0.0000133334  # arm64
DYNAMODB_WRITE: Final = 0.625 / MILLION  # on demand; a unit is 1 KB, twice in a transaction, once more per index
DYNAMODB_READ: Final = 0.125 / MILLION  # on demand; a unit is 4 KB, half of it if not consistent
TRANSITION: Final = 25.0 / MILLION  # Step Functions, Standard
EXPRESS_REQUEST: Final = 1.0 / MILLION
EXPRESS_GB_SECOND: Final = 0.00001667
EVENT: Final = 1.0 / MILLION  # EventBridge, a custom one of up to 64 KB
S3_PUT: Final = 5.0 / MILLION
S3_GET: Final = 0.4 / MILLION
SECRET_CALL: Final = 5.0 / MILLION
LOG_GB: Final = 0.50  # CloudWatch Logs, taken in; 90 days of keeping are another 0.09

# ---- per month --------------------------------------------------------------------------------
KMS_KEY: Final = 1.0
SECRET: Final = 0.40
S3_GB: Final = 0.023  # and again in every month in which it is kept
ALARM_METRIC: Final = 0.10  # standard resolution; a query's alarm costs as much for each metric that it looks at
DASHBOARD: Final = 3.0
CUSTOM_METRIC: Final = 0.30  # by the hours in which it is written; here as if in all of them

# ---- assumed ----------------------------------------------------------------------------------
#: Seconds until Amazon's response is here, and DynamoDB's: what a create waits for besides its own work.
AMAZON_SECONDS: Final = 0.30
DYNAMODB_SECONDS: Final = 0.006
#: Bytes of log that Lambda writes by itself for each invocation.
LAMBDA_LOG_BYTES: Final = 300
#: Megabytes at which Lambda gives one whole processor, in proportion below.
MEGABYTES_PER_PROCESSOR: Final = 1769
