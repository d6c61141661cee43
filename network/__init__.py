"""How nodes talk: framing, handshake, gossip and sync rules, and their asyncio transport."""
