"""The node's side of its connections with other nodes.

frames.py           what comes in: each frame to its part of the node
questions.py        what peers ask: blocks, candidates, transactions
consensus_link.py   what consensus says, and asks for
transaction_fetcher.py   transactions of a block that are not here
head_teller.py      where this node stands, told to peers
permissions.py      whose nodes may connect
"""
