"""The chain at its head: executing and committing blocks, indexing and pruning them."""
