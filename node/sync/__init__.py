"""Catching up with peers, block by block or by snapshot."""
