"""The simulator of whole nodes: production nodes, virtual time, one seed (docs/testing-whole-node.md)."""
