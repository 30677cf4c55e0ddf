"""A faithful local Incentives API with scripted faults.

The package is useful on its own: ``python -m sandbox --port 8080`` serves it over HTTP, and
`sandbox.http.gateway.Sandbox` is the same API without HTTP, threads or a wall clock, for deterministic simulations.
"""
