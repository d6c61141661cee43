"""The node's side of its connections with other nodes."""
