"""One verb a file, built from the other packages through ports."""
