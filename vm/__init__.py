"""The deterministic machine: encodings, transactions, state, execution, and the contract API."""
