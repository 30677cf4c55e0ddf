"""What the gateway uses of AWS."""
