"""Pictures: well-formed and harmless whatever is written in them, the same bytes everywhere, as traits say."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.nft import Art, BoundKept, Colours, Level, Progress
from contracts_py.nft.art import CHOICES, Icon, Palette, Ring
from node.pictures import geometry, picture
from node.pictures.edges import RINGS
from node.pictures.icons import ICONS
from node.pictures.lettering import fitted, raised, width_of
from node.pictures.meaning import badge_of
from node.pictures.palettes import PALETTES

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {
    "svg", "title", "defs", "linearGradient", "radialGradient", "stop", "path", "g", "circle", "ellipse", "text",
    "textPath",
}  # fmt: skip
NASTY = ['"><script>alert(1)</script>', "]]>", "&lt;&#x3c;", "javascript:alert(1)", "<!-- -->", "' onload='x"]
EVERYTHING: dict[str, Any] = {
    "level": Level("level", 5),
    "progress": Progress("visits", 10),
    "title": "{name}",
    "caption": "{name} · {visits}",
}


def drawn(traits: dict[str, Any] | None = None, **parts: Any) -> bytes:
    return picture(Art(**parts), traits or {}, "Aurora Club", "Aurora Club #1")


def elements(svg: bytes) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg.decode()).iter())


def check_harmless(svg: bytes) -> None:
    for element in elements(svg):
        assert element.tag.removeprefix(SVG) in ELEMENTS
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), name
            if name.rpartition("}")[2] == "href":
                assert re.fullmatch(r"#e[0-9a-f]{8}[a-z]", value), value
            for reference in re.findall(r"url\(([^)]*)\)", value):
                if name not in ("aria-label",):
                    assert re.fullmatch(r"#e[0-9a-f]{8}[a-z]", reference), reference


texts = st.text(alphabet=st.characters(), max_size=24) | st.sampled_from(NASTY)


@settings(max_examples=300, deadline=None)
@given(texts, texts, texts, st.sampled_from(get_args(Ring)), st.sampled_from(get_args(Icon)), st.integers(-20, 20))
def test_whatever_is_written_in_it_a_picture_is_well_formed_and_harmless(
    name: str, title: str, collection: str, ring: str, icon: str, number: int
) -> None:
    art = Art(ring=ring, icon=icon, **{**EVERYTHING, "title": title.replace("{", "") + "{name}"})  # type: ignore[arg-type]
    svg = picture(art, {"name": name, "level": number, "visits": number}, collection, f"{collection} #{number}")
    check_harmless(svg)
    assert b"<script" not in svg.lower()
    check_harmless(picture(None, {}, collection, name))


@pytest.mark.parametrize("text", NASTY)
def test_what_is_written_is_shown_as_it_is(text: str) -> None:
    svg = drawn({"name": text}, caption="{name}")
    shown = [element.text for element in elements(svg) if element.tag == f"{SVG}text"]
    assert shown == [raised(text)]


def test_what_xml_cannot_hold_is_replaced() -> None:
    svg = drawn({"name": "a\x00\ud800\uffffb\u2028"}, caption="{name}")
    (text,) = [element.text for element in elements(svg) if element.tag == f"{SVG}text"]
    assert text == "A\ufffd\ufffd\ufffdB\u2028"


def test_a_value_that_looks_like_a_place_is_not_filled_again() -> None:
    badge = badge_of(Art(caption="{name}"), {"name": "{visits}", "visits": 7}, "Club", "Club #1")
    assert badge.caption == "{visits}"


def test_the_drawing_has_what_the_contract_names() -> None:
    assert set(PALETTES) == set(get_args(Palette)) == set(CHOICES["palette"])
    assert set(ICONS) == set(get_args(Icon)) == set(CHOICES["icon"])
    assert set(RINGS) == set(get_args(Ring)) == set(CHOICES["ring"])


def test_every_palette_ring_and_icon_is_drawn_and_differs() -> None:
    for part, names in CHOICES.items():
        pictures = {drawn(**{part: name}) for name in names}
        assert len(pictures) == len(names)
        for svg in pictures:
            check_harmless(svg)


SAMPLE = """
import hashlib
from contracts_py.nft import Art, Level, Progress
from node.pictures import picture
parts = {"level": Level("l"), "progress": Progress("v", 9), "title": "Café", "caption": "{n}"}
art = Art(palette="gold", ring="laurel", icon="crown", **parts)
print(hashlib.sha256(picture(art, {"l": 3, "v": 4, "n": "Zoë 😀"}, "Club", "Club #1")).hexdigest())
"""


def test_the_bytes_are_the_same_whatever_hash_seed_locale_and_zone() -> None:
    found = set()
    for seed, place in (("0", "C"), ("1", "tr_TR.UTF-8"), ("4242", "de_DE.UTF-8")):
        environment = {"PYTHONHASHSEED": seed, "LC_ALL": place, "TZ": "Asia/Kathmandu", "PYTHONPATH": "."}
        done = subprocess.run(
            [sys.executable, "-c", SAMPLE], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_no_float_is_written() -> None:
    svg = drawn({"level": 3, "visits": 7, "name": "x"}, palette="gold", ring="beaded", icon="star", **EVERYTHING)
    numbers = set(re.findall(rb"\d*\.\d+", svg))
    assert all(len(number.partition(b".")[2]) <= 2 for number in numbers), numbers  # Hundredths, made of integers.


def test_a_part_follows_its_trait_and_falls_back() -> None:
    bound = BoundKept("level", (("silver", "silver"), ("gold", "gold")), "bronze")
    for level, palette in (("gold", "gold"), ("silver", "silver"), ("basic", "bronze"), ("", "bronze")):
        badge = badge_of(Art(palette=bound), {"level": level}, "Club", "Club #1")
        assert badge.palette is PALETTES[palette]
    plain = BoundKept("icon", None, None)
    assert badge_of(Art(icon=plain), {"icon": "cup"}, "Club", "x").icon == "cup"
    assert badge_of(Art(icon=plain), {"icon": "rocket"}, "Club", "x").icon == "star"
    assert (
        badge_of(Art(icon=BoundKept("vip", (("true", "crown"),), "cup")), {"vip": True}, "Club", "x").icon
        == "crown"
    )
    assert badge_of(Art(ring=BoundKept("n", (("3", "rope"),), None)), {"n": 3}, "Club", "x").ring == "rope"
    assert badge_of(Art(ring=BoundKept("n", (("3", "rope"),), None)), {}, "Club", "x").ring == "plain"


@pytest.mark.parametrize(
    ("visits", "thousandths"), [(-5, 0), (5, 0), (6, 100), (10, 500), (14, 900), (15, 1_000), (99, 1_000)]
)
def test_progress_is_between_two_figures(visits: int, thousandths: int) -> None:
    art = Art(progress=Progress("visits", 15, 5))
    assert badge_of(art, {"visits": visits}, "Club", "x").progress == thousandths


def test_a_level_lights_so_many_pips() -> None:
    lit = [badge_of(Art(level=Level("level", 3)), {"level": level}, "Club", "x").pips for level in (-1, 0, 2, 9)]
    assert lit == [(0, 3), (0, 3), (2, 3), (3, 3)]
    assert badge_of(Art(level=Level("level", 3)), {}, "Club", "x").pips == (0, 3)


def test_a_brands_own_colours_are_in_the_picture() -> None:
    svg = drawn(colours=Colours("#d4af37", "#101820", "#ff0000"), level=Level("l", 1))
    assert b"#d4af37" in svg
    assert b"#101820" in svg
    assert b"#ff0000" in drawn({"l": 1}, colours=Colours("#d4af37", "#101820", "#ff0000"), level=Level("l", 1))


def test_what_is_not_there_takes_no_room() -> None:
    assert b"<text" not in drawn(icon="cup")
    assert drawn(title="X") != drawn()
    assert len(drawn()) < len(drawn(caption="X"))


def test_text_is_made_smaller_and_then_cut() -> None:
    assert fitted("Gold", 640, 74, 34, 6) == ("Gold", 74, 4)
    text, size, spacing = fitted("Member of the club since May", 640, 74, 34, 6)
    assert (text, 34 <= size < 74) == ("Member of the club since May", True)
    assert width_of(text, size, spacing) <= 640
    text, size, spacing = fitted("W" * 60, 640, 74, 34, 6)
    assert (text[-1], size) == ("…", 34)
    assert width_of(text, size, spacing) <= 640
    assert fitted("", 640, 74, 34)[0] == ""


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("café zoë", "CAFÉ ZOË"), ("žlutý kůň", "ŽLUTÝ KŮŇ"), ("łódź", "ŁÓDŹ"), ("αβγ ς", "ΑΒΓ ς"),
        ("ёлка", "ЁЛКА"),
        ("straße", "STRAßE"), ("ÿ ÷ ı", "Ÿ ÷ ı"), ("日本 😀", "日本 😀"), ("ĸŉĺŷ", "ĸŉĹŶ"),
    ],
)  # fmt: skip
def test_capitals_are_fixed(small: str, large: str) -> None:
    assert raised(small) == large


def test_points_are_whole_and_near() -> None:
    for angle in range(0, 7_200, 7):
        x, y = geometry.point(470, angle)
        assert abs((x - 512) ** 2 + (y - 512) ** 2 - 470**2) < 2 * 470
    assert geometry.point(100, 0) == (612, 512)
    assert geometry.point(100, 900) == (512, 612)
    assert geometry.point(100, -900) == (512, 412)
    assert geometry.point(100, 1_800) == (412, 512)


def test_two_pictures_can_stand_in_one_page() -> None:
    names = [set(re.findall(rb'id="(\w+)"', drawn(title="X", palette=palette))) for palette in ("gold", "ruby")]
    assert names[0]
    assert names[0].isdisjoint(names[1])
