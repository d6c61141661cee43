"""The QBFT consensus core: a pure state machine that knows no network, clock or disk."""
