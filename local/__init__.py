"""Starts the whole system on one machine: environments, emulated cloud, sandbox, deployment, first card."""
