"""Mutation check of the consensus core and of what it stands on: `make mutants`."""
