"""Whole clusters of the production core on a virtual clock and network, from one seed."""
