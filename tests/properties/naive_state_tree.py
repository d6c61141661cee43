"""The state tree written down as docs/state.md defines it, without a thought for speed."""

from hashlib import sha256

ZERO = bytes(32)


def naive_root(depth: int, values: dict[str, bytes]) -> bytes:
    """Return the state root of a map."""
    leaves = {}
    for key, value in values.items():
        raw = key.encode()
        name = sha256(raw).hexdigest()
        leaves[name] = sha256(b"\0" + len(raw).to_bytes(4, "big") + raw + sha256(value).digest()).digest()
    return _subtree(depth, 0, leaves)


def _subtree(depth: int, level: int, leaves: dict[str, bytes]) -> bytes:
    if not leaves:
        return ZERO
    if level >= depth and len(leaves) == 1:
        return next(iter(leaves.values()))
    bitmap, hashes = 0, b""
    for child in range(16):
        below = {name: leaf for name, leaf in leaves.items() if int(name[level], 16) == child}
        child_hash = _subtree(depth, level + 1, below)
        if child_hash != ZERO:
            bitmap |= 1 << child
            hashes += child_hash
    return sha256(b"\1" + bitmap.to_bytes(2, "big") + hashes).digest()
