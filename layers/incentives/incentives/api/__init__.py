"""What callers see: HTTP requests read, responses written."""
