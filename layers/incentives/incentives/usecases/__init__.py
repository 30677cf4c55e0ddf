"""One verb a file, built from the other rooms through their ports."""
