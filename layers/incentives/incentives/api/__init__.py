"""What callers see: HTTP requests read, answers written."""
