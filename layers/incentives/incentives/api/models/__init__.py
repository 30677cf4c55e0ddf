"""The bodies that callers send and are sent: each one model, for the code and for the document."""
