"""The simulator of whole nodes: production nodes on virtual time, memory and one seed (docs/testing-whole-node.md)."""
