"""Frames and answers between a node and its workers: what one end writes, the other reads, and nothing else."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.verification.frames import (
    GREETING,
    MAX_CHECKS,
    MAX_FRAME_BYTES,
    SIZE,
    BadFrame,
    answer_bytes,
    answer_to,
    frame_of,
    read_answer,
    read_frame,
)
from node.verification.process import serve
from vm.primitives.keys import Domain, SigningKey

KEY = SigningKey(b"\1" * 32)
CHECK = (Domain.TRANSACTION, KEY.public_key, b"body", KEY.sign(Domain.TRANSACTION, b"body"))
CHECKS = st.lists(
    st.tuples(
        st.sampled_from([Domain.TRANSACTION, Domain.BATCH]),
        st.binary(min_size=32, max_size=32),
        st.binary(max_size=300),
        st.binary(min_size=64, max_size=64),
    ),
    max_size=60,
)


def content(frame: bytes | None) -> bytes:
    assert frame is not None
    assert SIZE.unpack(frame[: SIZE.size]) == (len(frame) - SIZE.size,)
    return frame[SIZE.size :]


@given(CHECKS, st.integers(0, 2**32 - 1))
def test_a_frame_is_read_as_it_was_written(checks: list[tuple[bytes, bytes, bytes, bytes]], ident: int) -> None:
    read_ident, read = read_frame(content(frame_of(ident, checks)))
    assert read_ident == ident
    assert list(read) == [(key, sig, domain + message) for domain, key, message, sig in checks]


@given(CHECKS.filter(bool), st.data())
def test_a_frame_that_is_cut_or_goes_on_is_refused(
    checks: list[tuple[bytes, bytes, bytes, bytes]], data: st.DataObject
) -> None:
    whole = content(frame_of(7, checks))
    length = data.draw(st.integers(0, len(whole) - 1))
    for wrong in (whole[:length], whole + b"\0"):
        with pytest.raises(BadFrame):
            list(read_frame(wrong)[1])


@given(st.lists(st.booleans(), max_size=100), st.integers(0, 2**32 - 1))
def test_an_answer_is_read_as_it_was_written(verdicts: list[bool], ident: int) -> None:
    answer = answer_to(ident, verdicts)
    assert len(answer) == answer_bytes(len(verdicts))
    bits = read_answer(answer, ident, len(verdicts))
    assert [bool(bits >> index & 1) for index in range(len(verdicts))] == verdicts


def test_an_answer_to_something_else_is_refused() -> None:
    answer = answer_to(7, [True] * 9)
    for ident, count in ((8, 9), (7, 10)):
        with pytest.raises(BadFrame):
            read_answer(answer, ident, count)
    with pytest.raises(BadFrame):  # a bit beyond the last check
        read_answer(answer[:-1] + b"\3", 7, 9)


def test_what_is_too_much_for_a_frame_makes_none() -> None:
    assert frame_of(0, [CHECK] * MAX_CHECKS) is not None
    assert frame_of(0, [CHECK] * (MAX_CHECKS + 1)) is None
    large = (CHECK[0], CHECK[1], bytes(MAX_FRAME_BYTES), CHECK[3])
    assert frame_of(0, [large]) is None
    fits = frame_of(0, [(*CHECK[:2], bytes(MAX_FRAME_BYTES - 200), CHECK[3])])
    assert fits is not None


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def test_a_worker_greets_answers_in_order_and_ends_with_the_stream(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    serving = threading.Thread(target=serve, args=(theirs,))
    serving.start()
    bad = (*CHECK[:3], bytes(64))
    with ours, ours.makefile("rb") as stream:
        assert stream.read(len(GREETING)) == GREETING
        for ident, checks in ((5, [CHECK, bad, CHECK]), (6, [bad]), (7, [])):
            ours.sendall(frame_of(ident, checks) or b"")
            answer = stream.read(answer_bytes(len(checks)))
            assert answer == answer_to(ident, [check is CHECK for check in checks])
        ours.sendall((frame_of(8, [CHECK]) or b"")[:50])  # the node is killed while it writes
        ours.shutdown(socket.SHUT_WR)
        serving.join(30)
    assert not serving.is_alive()
    theirs.close()


def test_a_worker_takes_no_frame_beyond_the_bound(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    with ours, theirs:
        ours.sendall(SIZE.pack(MAX_FRAME_BYTES + 1))
        with pytest.raises(BadFrame):
            serve(theirs)
