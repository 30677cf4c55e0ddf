"""MiniStack as this project needs it; run by MiniStack's own interpreter, hence nothing else of `local` is imported."""
