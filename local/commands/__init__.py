"""The commands of `python -m local`, each a module with a `main` that returns the exit status."""
