"""Hashes, keys, canonical bytes, addresses and units: what every layer shares."""
