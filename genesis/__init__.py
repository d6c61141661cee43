"""Genesis documents, keys at rest, and local testnets."""
