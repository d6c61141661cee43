"""The command line: `entente` (SPEC section 9)."""
