"""What a response of Amazon's means: its bytes, its fields, its errors, and what is kept of it."""
