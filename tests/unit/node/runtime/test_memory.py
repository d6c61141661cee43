"""Giving memory back: only where much more is held than at the least, and measured against that least."""

import ctypes
from collections import deque

from node.runtime.memory import WORTH_BYTES, allocator_trim, given_back, resident_bytes

MIB = 1024 * 1024


def after_looks(settled, *held):
    """Return what is the least after looks that find these sizes, and at which of them memory was given back."""
    sizes, trimmed = deque(held), []
    while sizes:
        settled = given_back(settled, sizes.popleft, lambda: trimmed.append(sizes[0]))
    return settled, trimmed


def test_a_little_more_than_the_least_is_left_alone():
    assert after_looks(70 * MIB, 70 * MIB, 70 * MIB + WORTH_BYTES - 1) == (70 * MIB, [])


def test_much_more_is_given_back_and_looked_at_again_until_it_is_gone():
    # 400 MiB, of which a burst still uses 300; at the next look it uses nothing.
    assert after_looks(70 * MIB, 400 * MIB, 300 * MIB, 300 * MIB, 75 * MIB) == (70 * MIB, [300 * MIB, 75 * MIB])


def test_the_least_is_what_was_held_least():
    assert after_looks(90 * MIB, 80 * MIB, 200 * MIB, 60 * MIB, 70 * MIB) == (60 * MIB, [60 * MIB])


def test_this_machine_gives_back_what_lies_below_something_small_at_the_top_of_the_heap():
    trim = allocator_trim()
    if trim is None:  # another C library: nothing to give back by
        return
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    trim()
    blocks = [libc.malloc(100_000) for _ in range(1_000)]
    top = libc.malloc(100_000)
    for block in [*blocks, top]:
        ctypes.memset(block, 1, 100_000)
    full = resident_bytes()
    for block in blocks:
        libc.free(block)
    trim()
    assert resident_bytes() < full - 90 * MIB
    libc.free(top)
