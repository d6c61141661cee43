"""The processes of a local testnet."""
