"""Frames survive any way of being cut; nonsense is told from frames before it takes memory."""

import pytest

from network.errors import MalformedFrame, OversizedFrame
from network.framing import INITIAL_BUFFER_BYTES, FrameReader, encode_frame
from network.kinds import RULES, Kind


def feed(reader: FrameReader, data: bytes) -> list[tuple[Kind, bytes]]:
    """Give bytes to a reader as a transport does, as much as fits at a time; return the frames."""
    frames: list[tuple[Kind, bytes]] = []
    while data:
        space = reader.free_space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        reader.received(count)
        data = data[count:]
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
    return frames


def test_a_frame_is_length_kind_and_payload() -> None:
    assert encode_frame(Kind.CONSENSUS, b"vote") == b"\0\0\0\x05\x06vote"


def test_frames_come_back_byte_by_byte() -> None:
    sent = [(Kind.CONSENSUS, b"a" * 300), (Kind.PING, b""), (Kind.TRANSACTIONS, b"b" * 5_000)]
    reader = FrameReader()
    received = []
    for byte in b"".join(encode_frame(*frame) for frame in sent):
        received += feed(reader, bytes((byte,)))
    assert received == sent


def test_several_frames_come_out_of_one_chunk() -> None:
    sent = [(Kind.STATUS, bytes((i,)) * i) for i in range(100)]
    assert feed(FrameReader(), b"".join(encode_frame(*frame) for frame in sent)) == sent


@pytest.mark.parametrize("kind", list(Kind))
def test_the_longest_frame_passes_and_one_byte_more_does_not(kind: Kind) -> None:
    longest = RULES[kind].max_bytes
    assert feed(FrameReader(), encode_frame(kind, bytes(longest))) == [(kind, bytes(longest))]
    with pytest.raises(OversizedFrame):
        feed(FrameReader(), (longest + 2).to_bytes(4, "big") + bytes((kind,)))
    with pytest.raises(ValueError):
        encode_frame(kind, bytes(longest + 1))


@pytest.mark.parametrize("data", [b"\0\0\0\0\x06", b"\0\0\0\x05\0", b"\0\0\0\x05\xff", b"GET / HTTP/1.1"])
def test_what_is_no_frame_is_refused_at_its_header(data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        feed(FrameReader(), data)


def test_an_announced_length_takes_no_memory() -> None:
    reader = FrameReader()
    feed(reader, (RULES[Kind.BLOCKS].max_bytes + 1).to_bytes(4, "big") + bytes((Kind.BLOCKS,)))
    reader.free_space()
    assert reader.capacity == INITIAL_BUFFER_BYTES


def test_the_buffer_grows_for_a_long_frame_only_and_shrinks_after_it() -> None:
    reader = FrameReader()
    frame = encode_frame(Kind.BLOCKS, bytes(RULES[Kind.BLOCKS].max_bytes))
    feed(reader, frame[:-1])
    assert INITIAL_BUFFER_BYTES < reader.capacity <= 2 * len(frame)
    feed(reader, frame[-1:])
    reader.free_space()
    assert reader.capacity == INITIAL_BUFFER_BYTES


def test_many_small_frames_never_make_the_buffer_grow() -> None:
    reader = FrameReader()
    data = encode_frame(Kind.TRANSACTIONS, bytes(19_000)) * 100
    for start in range(0, len(data), 7_001):
        feed(reader, data[start : start + 7_001])
        assert reader.capacity == INITIAL_BUFFER_BYTES
