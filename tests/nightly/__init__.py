"""The long checks, one after the other, with one table at the end: `make nightly` (docs/testing.md)."""
