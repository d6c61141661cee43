"""Offences add up, fade, and shut out for a while."""

from network.scoring import POINTS, Offence, Scoreboard, ScoringRules

KEY = b"k" * 32
OTHER = b"o" * 32


def test_every_offence_has_a_price() -> None:
    assert set(POINTS) == set(Offence)


def test_a_key_without_fault_scores_nothing() -> None:
    board = Scoreboard()
    assert board.score(KEY, 0) == 0
    assert not board.is_banned(KEY, 0)


def test_scores_fade_to_zero_and_no_further() -> None:
    board = Scoreboard()
    assert not board.add(KEY, Offence.BAD_SIGNATURE, 1_000)
    assert board.score(KEY, 1_000) == 40
    assert board.score(KEY, 11_000) == 30
    assert board.score(KEY, 1_000_000) == 0


def test_the_threshold_bans_for_a_while_and_only_the_offender() -> None:
    board = Scoreboard(ScoringRules(threshold=100, ban_ms=60_000))
    assert not board.add(KEY, Offence.MALFORMED, 0)
    assert board.add(KEY, Offence.MALFORMED, 0)
    assert board.is_banned(KEY, 59_999)
    assert not board.is_banned(KEY, 60_000)
    assert not board.is_banned(OTHER, 0)


def test_who_comes_back_has_less_room() -> None:
    board = Scoreboard(ScoringRules(threshold=100, ban_ms=10_000))
    for _ in range(2):
        board.add(KEY, Offence.MALFORMED, 0)
    assert not board.add(KEY, Offence.BAD_SIGNATURE, 10_000)
    assert board.add(KEY, Offence.OUT_OF_PLACE, 10_000)


def test_a_slow_trickle_of_small_faults_is_forgiven() -> None:
    board = Scoreboard()
    assert not any(board.add(KEY, Offence.FLOOD, second * 5_000) for second in range(1_000))


def test_time_that_stands_still_or_goes_back_changes_nothing() -> None:
    board = Scoreboard()
    board.add(KEY, Offence.MALFORMED, 10_000)
    assert board.score(KEY, 5_000) == 50
    assert board.score(KEY, 10_000) == 50


def test_the_board_is_bounded() -> None:
    board = Scoreboard()
    for number in range(10_000):
        board.add(number.to_bytes(32, "big"), Offence.MALFORMED, 0)
    assert len(board._entries) <= 4_096


def test_the_key_that_has_behaved_for_longest_makes_room() -> None:
    board = Scoreboard()
    others = [number.to_bytes(32, "big") for number in range(4_096)]
    board.add(KEY, Offence.MALFORMED, 0)
    for other in others[:4_095]:
        board.add(other, Offence.MALFORMED, 0)
    board.add(KEY, Offence.FLOOD, 0)
    points = board.score(KEY, 0)
    assert board.score(others[0], 0), "asking for a score renews nothing"
    board.add(others[4_095], Offence.MALFORMED, 0)
    assert board.score(KEY, 0) == points
    assert board.score(others[0], 0) == 0
