"""Rows and files that an import takes, and those that it does not."""

from __future__ import annotations

import codecs
import re
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from contracts_py.calendar import Offsets
from node.moving.errors import FileRefused, MovingError
from node.moving.plan import Plan
from node.moving.reading import digest_of, header_of, read_into
from node.moving.records import MAX_LINE_CHARACTERS, read_records
from node.moving.rows import Header, Row, RowRejected, Terms, parse_row
from node.moving.salt import commitment, new_salt, read_salt, write_salt
from tests.contract_harness import START, account_of
from tests.support.moving import SALT, write_csv
from vm.primitives.address import address_of_member
from vm.primitives.units import MAX_INT

DAY = 86_400_000
BERLIN = msgspec.convert([{"from": 0, "minutes": 60}], Offsets)
TERMS = Terms("aurora", (), START, "import-", SALT)
NAMES = ["ref", "member", "amount", "expires", "pending_until", "note"]
ANN = account_of("ann")


def row(
    ref: str = "r1",
    member: str = "m1",
    amount: str = "5",
    expires: str = "",
    pending: str = "",
    terms: Terms = TERMS,
) -> Row:
    return parse_row(7, Header(NAMES).values([ref, member, amount, expires, pending, "note"]), terms)


def reason(**fields: str) -> str:
    with pytest.raises(RowRejected) as rejected:
        row(**fields)  # type: ignore[arg-type]
    return str(rejected.value)


def test_a_members_id_becomes_a_commitment_and_its_address() -> None:
    made = row(member="Jürgen 7")
    assert made.commitment == commitment(SALT, "Jürgen 7").hex()
    assert made.account == address_of_member("aurora", commitment(SALT, "Jürgen 7"))
    assert made.ref == "import-r1"
    assert commitment(SALT, "a") != commitment(new_salt(), "a")


@pytest.mark.parametrize(
    "amount", ["1e3", "1.0", "1,000", "-5", "+5", "0", "007", " 5", "5 ", "1_000", "0x10", "five", "٣", "5" * 17]
)
def test_a_malformed_amount_is_rejected(amount: str) -> None:
    assert "no whole number" in reason(amount=amount)


def test_amounts_end_where_integers_do() -> None:
    assert row(amount=str(MAX_INT)).amount == MAX_INT
    assert str(MAX_INT) in reason(amount=str(MAX_INT + 1))
    assert "empty" in reason(amount="")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("ref", "", "ref is empty"),
        ("ref", "two words", "blank"),
        ("ref", "Größe", "printable ASCII"),
        ("ref", "x" * 58, "at most 57"),
        ("member", "", "names no member"),
        ("member", " 5", "blank"),
        ("member", "m" * 201, "more than 200"),
        ("member", "a\nb", "control character"),
        ("member", "a\udcffb", "not UTF-8"),
        ("expires", "2027-02-30", "no date of the calendar"),
        ("expires", "31.12.2027", "neither a date"),
        ("expires", "2027-12-31T00:00:00Z", "neither a date"),
        ("expires", "1e12", "neither a date"),
        ("expires", "9007199254740991", "neither a date"),
        ("expires", "2023-11-13", "in the past"),
        ("expires", "1798758000", "in the past"),
        ("pending", "2023-11-14", "in the past"),
        ("pending", "soon", "neither a date"),
    ],
)
def test_what_a_row_may_not_hold(field: str, value: str, words: str) -> None:
    assert words in reason(**{field: value})


def test_a_date_is_the_last_local_day_on_which_points_can_be_spent() -> None:
    made = row(expires="2023-11-14")
    midnight = START - START % DAY + DAY
    assert (made.expires, made.date) == (midnight, midnight)
    local = row(expires="2023-11-14", terms=Terms("aurora", BERLIN, START, "import-", SALT))
    assert local.date == midnight - 3_600_000
    assert row(expires=str(midnight + 1)).date == midnight + DAY
    assert row(expires="").date is None


def test_pending_points_become_available_before_they_expire() -> None:
    assert row(pending="2023-12-01", expires="2023-12-01").pending_until is not None
    assert "before they become available" in reason(pending="2023-12-02", expires="2023-12-01")


def test_members_by_commitment_and_address() -> None:
    header = Header(["ref", "commitment", "address", "amount"])
    secret = commitment(SALT, "m1").hex()
    own = address_of_member("aurora", bytes.fromhex(secret))

    def who(committed: str, address: str) -> tuple[str, str | None]:
        made = parse_row(1, header.values(["r", committed, address, "1"]), TERMS)
        return made.account, made.commitment

    assert who(secret, "") == who(secret, own) == (own, secret)
    assert who("", ANN) == (ANN, None)
    assert who(secret, ANN) == (ANN, None), "another brand's member keeps its address"
    for committed, address in (("ab", ""), (secret.upper(), ""), ("", ANN[:-1] + "q"), ("", "")):
        with pytest.raises(RowRejected):
            who(committed, address)
    both = Header(["ref", "member", "address", "amount"])
    with pytest.raises(RowRejected, match="not by both"):
        parse_row(1, both.values(["r", "m", ANN, "1"]), TERMS)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["ref", "amount"], "none of the columns"),
        (["member", "amount"], "no column ref"),
        (["ref", "member"], "no column amount"),
        (["ref", "member", "amount", "amount"], "twice"),
        (["Ref", "member", "amount"], "'Ref'"),
        (["ref;member;amount"], "separated by commas"),
    ],
)
def test_wrong_headers(names: list[str], words: str) -> None:
    with pytest.raises(FileRefused, match=re.escape(words)):
        Header(names)


# -- files -----------------------------------------------------------------------------------------


def test_a_mark_line_ends_quotes_and_blank_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    text = 'ref,member\r\n"a,1","says ""hi"""\r\n\r\nb,"two\r\nlines"\r\nc,d'
    file.write_bytes(codecs.BOM_UTF8 + text.encode())
    assert list(read_records(file)) == [
        (1, ["ref", "member"]),
        (2, ["a,1", 'says "hi"']),
        (4, ["b", "two\r\nlines"]),
        (6, ["c", "d"]),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('ref,member,amount\na,b,1\n"c,d,2\ne,f,3\n', "line 3"),
        ('ref,member,amount\n"a"b,c,1\n', "line 2"),
        ("ref,member,amount\n" + "x" * (MAX_LINE_CHARACTERS + 1), "line 2"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_no_csv_is_refused_as_a_whole(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(content)
    with Plan(tmp_path / "plan", "x") as plan, pytest.raises(FileRefused, match=words):
        read_into(plan, file, digest_of(file), TERMS, lambda count: None)
    with Plan(tmp_path / "plan", "x") as plan:
        assert not plan.reused
        assert plan.count("rows") == plan.count("rejects") == 0


def test_odd_bytes_spoil_their_own_row_only(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(
        b"ref,member,amount\na,1,5\nb,x\xffy,5\nc,x\0y,5\nd\0,1,5\ne,1,5\xe2\x80\x8b\n\xef\xbb\xbff,1,5\ng,2,7\n"
    )
    with Plan(tmp_path / "plan", "x") as plan:
        read_into(plan, file, digest_of(file), TERMS, lambda count: None)
        assert [item.ref for items in plan.all_items() for item in items] == ["import-a", "import-g"]
        assert [reject.line for reject in plan.rejects()] == [3, 4, 5, 6, 7]
        assert all(reject.ref.isprintable() for reject in plan.rejects())


@pytest.mark.parametrize("separator", ["", "\n", ","], ids=["one line", "many lines", "many columns"])
def test_a_field_or_record_of_ten_megabytes_is_refused_in_little_memory(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "a.csv"
    with file.open("w") as out:
        out.write('ref,member,amount\na,1,5\nb,"')
        for _ in range(10_000):
            out.write("x" * 1_000 + separator)
        out.write('",5\n')
    tracemalloc.start()
    try:
        with Plan(tmp_path / "plan", "x") as plan, pytest.raises(FileRefused, match="line 3"):
            read_into(plan, file, digest_of(file), TERMS, lambda count: None)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_header_in_utf_16_or_of_nonsense_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    for content in ("ref,member,amount\na,1,5\n".encode("utf-16"), bytes(range(256)) * 8, b"\n\n\n", b"\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(FileRefused):
            header_of(file)


def test_a_digest_is_of_all_bytes(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", "ref,member,amount", "a,1,5")
    before = digest_of(file)
    assert digest_of(file) == before
    file.write_bytes(file.read_bytes() + b" ")
    assert digest_of(file) != before
    with pytest.raises(FileRefused, match="No such file"):
        digest_of(tmp_path / "none.csv")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="No such file"):
        list(read_records(tmp_path / "none.csv"))


def test_every_record_is_a_row_or_a_reject(tmp_path: Path) -> None:
    rows = ["a,1,5", "a,2,6", "b,3", "c,4,1e3", "d,5,7,8", 'e,"6\n",1', "f,7,9"]
    file = write_csv(tmp_path / "a.csv", "ref,member,amount", *rows)
    with Plan(tmp_path / "plan", "x") as plan:
        read_into(plan, file, digest_of(file), TERMS, lambda count: None)
        assert [(r.line, r.ref) for r in plan.rejects()] == [
            (3, "import-a"),
            (4, "b"),
            (5, "c"),
            (6, "d"),
            (7, "e"),
        ]
        assert next(plan.rejects()).reason == "the ref stands in line 2 already"
        assert [item.ref for items in plan.all_items() for item in items] == ["import-a", "import-f"]


# -- the salt --------------------------------------------------------------------------------------


def test_a_salt_is_made_once_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "salt"
    with pytest.raises(MovingError, match="does not exist"):
        read_salt(file)
    write_salt(file, SALT)
    assert read_salt(file) == SALT
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(MovingError, match="exists"):
        write_salt(file, new_salt())
    file.chmod(0o644)
    with pytest.raises(MovingError, match="readable by others"):
        read_salt(file)
    file.chmod(0o600)
    file.write_text("ab")
    with pytest.raises(MovingError, match="does not hold a salt"):
        read_salt(file)
