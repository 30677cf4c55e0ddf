"""An account's access keys."""
