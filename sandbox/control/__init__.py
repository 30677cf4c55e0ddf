"""What scripts the sandbox: faults, the clock, switches, and the report."""
