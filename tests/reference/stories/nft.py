"""The story of nft: a brand's badges, minted, sent, burned and frozen."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from contracts_py.nft.records import (
    COLLECTIONS,
    HELD_DUE,
    MAX_RULES_OF_TRIGGER,
    ON_EVENT,
    REFRESHING,
    WAITS,
    AtUri,
    Refresh,
    Waits,
)
from contracts_py.nft.rulebook import MAX_LISTENING
from tests.contract_harness import Chain, Op, account_of
from tests.reference.story import Deed, Refusal, Story, alliance_ops, leaving, left, no, sent, suspended, waited
from vm.contract_api import MS_PER_DAY, Context

ANN, BOB = account_of("ann"), account_of("bob")
TRAITS: Final[dict[str, Any]] = {
    "visits": {"type": "int", "default": 0, "min": 0, "label": "Visits"},
    "level": {"type": "enum", "default": "guest", "values": ["guest", "regular", "friend"]},
}
EVOLUTION: Final[list[dict[str, Any]]] = [
    {"on": {"event": "visit"}, "when": "true", "set": {"visits": "token.traits.visits + 1"}},
    {
        "on": "manual",
        "when": 'token.traits.visits >= 1 && token.traits.level == "guest"',
        "set": {"level": '"regular"'},
    },
    {
        "on": {"held_days": 365},
        "when": "true",
        "set": {"level": '"friend"', "visits": "token.traits.visits + 100"},
    },
    {"on": "manual", "when": "100 / (token.id - 1) > 1", "set": {"visits": "0"}},
    {"on": {"held_days": 365}, "when": "100 / (token.id - 1) > 1", "set": {"visits": "0"}},
]
ART: Final[dict[str, Any]] = {
    "palette": {"trait": "level", "map": {"regular": "silver", "friend": "gold"}, "default": "bronze"},
    "icon": "cup",
    "ring": "rope",
    "progress": {"trait": "visits", "to": 10},
    "title": "AURORA",
    "caption": "{level}",
}
CLUB: Final[dict[str, Any]] = {
    "collection": "aurora-club",
    "brand": "aurora",
    "name": "Aurora Club",
    "symbol": "CLUB",
    "soulbound": False,
    "max_supply": 1_000,
    "traits": TRAITS,
    "evolution": EVOLUTION,
    "art": ART,
    "description": "For guests who come again.",
}
ONE: Final[dict[str, Any]] = {"collection": "aurora-club", "token": 1}
ELSEWHERE: Final = {"collection": "aurora-prints", "token": 1}

DESIGNER: Final = "a `marketer` or `admin` of the brand"
NO_BRAND: Final = no("NOT_FOUND", "There is no such brand.", brand="moons")
NO_COLLECTION: Final = no("NOT_FOUND", "There is no such collection.", collection="moons")
NO_TOKEN: Final = no("NOT_FOUND", "There is no such token.", token=9)
NO_DESIGNER: Final = no("NOT_AUTHORISED", "No marketer or admin of the brand has signed.", by="borea-marketer")
NOT_ON_CHAIN: Final = no("NOT_ELIGIBLE", "The collection's metadata are on chain.", **ONE)
SUSPENDED: Final = no("SUSPENDED", "The brand is suspended.", suspended("aurora"))
GONE: Final = no("SUSPENDED", "The brand has left the alliance.", *left("aurora", "borea"))
FROZEN_METADATA: Final = no(
    "FROZEN",
    "The collection's metadata are frozen.",
    sent("aurora-marketer", "nft.freeze_metadata", collection="aurora-club"),
)


def frozen_token() -> Deed:
    """Return a deed: compliance freezes the token."""
    return sent("aurora-compliance", "nft.freeze", **ONE)


def changed(collection: str, **values: Any) -> Deed:
    """Return a deed: a collection is as another call would have made it."""

    def change(ctx: Context) -> None:
        COLLECTIONS.put(ctx, replace(COLLECTIONS.require(ctx, collection), **values), collection)

    return lambda chain: chain.govern(change)


def refreshing(chain: Chain) -> None:
    """Let tokens be on their way to a new revision when the block's transactions are executed."""
    chain.govern(lambda ctx: REFRESHING.put(ctx, Refresh(), "aurora-club"))


def many_collections(chain: Chain) -> None:
    """Let as many collections have rules of visits as may."""

    def fill(ctx: Context) -> None:
        for number in range(MAX_LISTENING):
            ON_EVENT.add(ctx, "aurora", "visit", item=f"aurora-{number}")

    chain.govern(fill)


def year_of_lag(chain: Chain) -> None:
    """Let a year pass, at the end of which the chain has not come to what a token's owner held it for."""
    chain.until(chain.time + 365 * MS_PER_DAY, postponing=HELD_DUE)


def waiting(chain: Chain) -> None:
    """Let something wait for Ann's tokens when the block's transactions are executed."""
    chain.govern(lambda ctx: WAITS.put(ctx, Waits(0, 1), ANN))


def story() -> Story:
    """Tell it."""
    ops: list[Op] = [*alliance_ops("aurora", "borea")]
    intro = (
        "The brands Aurora and Borea, each with one person for each role. Ann and Bob are shoppers. "
        "[nft.md](../nft.md) says how badges change, and what they are drawn from."
    )
    told = Story("nft", intro, ops)
    _collections(told)
    _tokens(told)
    _views(told)
    _changes(told)
    _end(told)
    return told


def _collections(told: Story) -> None:
    told.call(
        "nft.create_collection",
        "aurora-marketer",
        "Aurora makes a collection: badges that count a guest's visits.",
        DESIGNER,
        [
            NO_BRAND,
            NO_DESIGNER,
            no("NOT_AUTHORISED", "The name is reserved for another brand.", collection="borea-club"),
            no(
                "ALREADY_EXISTS", "The collection exists.", sent("aurora-marketer", "nft.create_collection", **CLUB)
            ),
            SUSPENDED,
            no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea")),
            *_faulty_traits(),
            *_faulty_art(),
            *_faulty_rules(),
            no(
                "INVALID_ARGS", "A soulbound collection has a rule for transfers.", soulbound=True, transfer="brand"
            ),
            no(
                "INVALID_ARGS",
                "Art, and metadata elsewhere.",
                metadata={"mode": "uri", "base": "ipfs://bafy"},
            ),
            no("INVALID_ARGS", "An expression is empty.", evolution=[{**EVOLUTION[0], "when": ""}]),
            no("INVALID_ARGS", "`base` is no address.", metadata={"mode": "uri", "base": "moons"}),
        ],
        **CLUB,
    )


def _faulty_traits() -> list[Refusal]:
    """Return what traits cannot be."""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("A trait does not take its default.", {"x": {"type": "int", "default": ""}}),
        ("A trait's name is none.", {"1x": {"type": "int", "default": 0}}),
        ("An enum has no values.", {"x": {"type": "enum", "default": "a"}}),
        ("What is neither an enum nor a string has values.", {"x": {"type": "int", "default": 0, "values": ["a"]}}),
        ("A value stands twice.", {"x": {"type": "enum", "default": "a", "values": ["a", "a"]}}),
        ("What is no int has a bound.", {"x": {"type": "bool", "default": True, "min": 0}}),
        ("A trait's `max` is below its `min`.", {"x": {"type": "int", "default": 0, "min": 2, "max": 1}}),
    ]
    return [no("INVALID_ARGS", when, traits=traits, art=None) for when, traits in faults]


def _faulty_rules() -> list[Refusal]:
    """Return what rules cannot be."""
    rule: dict[str, Any] = {"on": "manual", "when": "true", "set": {"visits": "1"}}
    faults: list[tuple[str, dict[str, Any]]] = [
        ("A condition is none, or names what there is not; the message says where.", {"when": "token.moons > 1"}),
        ("An expression gives what the trait does not take.", {"set": {"visits": "-1"}}),
        ("A rule sets nothing.", {"set": {}}),
        ("A rule sets what is no trait.", {"set": {"moons": "1"}}),
        ("A rule comes with both an event and a time, or with neither.", {"on": {}}),
    ]
    costly = {"on": {"event": "visit"}, "when": "event.attrs.all(k, k != '')", "set": {"visits": "1"}}
    return [
        *[no("INVALID_ARGS", when, evolution=[{**rule, **changes}]) for when, changes in faults],
        no("LIMIT_EXCEEDED", "One trigger has too many rules.", evolution=[rule] * (MAX_RULES_OF_TRIGGER + 1)),
        no(
            "LIMIT_EXCEEDED",
            "The rules of one trigger are too long together.",
            evolution=[{**rule, "when": "true" + " " * 1_020}] * MAX_RULES_OF_TRIGGER,
        ),
        no("LIMIT_EXCEEDED", "The rules of one trigger could cost too much.", evolution=[costly] * 16),
        no(
            "LIMIT_EXCEEDED",
            "16 collections of the brand have rules of the event.",
            many_collections,
            evolution=EVOLUTION,
        ),
    ]


def _faulty_art() -> list[Refusal]:
    """Return what art cannot be."""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("Art is bound to what is no trait.", {"icon": {"trait": "moons"}}),
        ("Art names an icon that there is not.", {"icon": {"trait": "level", "default": "moons"}}),
        ("A level or a progress is bound to what is no int.", {"level": {"trait": "level"}}),
        ("A progress goes nowhere.", {"progress": {"trait": "visits", "to": 0}}),
        ("A caption names what is no trait.", {"caption": "{moons}"}),
        ("A colour is none.", {"colours": {"metal": "red", "enamel": "#000000"}}),
    ]
    return [no("INVALID_ARGS", when, art=art) for when, art in faults]


def _tokens(told: Story) -> None:
    told.call(
        "nft.mint",
        "aurora-issuer",
        "Ann gets the first badge; a trait that is left out has its default.",
        "an `issuer` of the brand",
        [
            NO_COLLECTION,
            no("NOT_AUTHORISED", "No issuer of the brand has signed.", by="borea-issuer"),
            no("ALREADY_EXISTS", "The token exists.", sent("aurora-issuer", "nft.mint", **ONE, to=ANN)),
            no(
                "ALREADY_EXISTS",
                "The token existed, and was burned.",
                sent("aurora-issuer", "nft.mint", **ONE, to=ANN),
                sent("ann", "nft.burn", **ONE),
            ),
            no("CAP_EXCEEDED", "As many as `max_supply` were minted.", changed("aurora-club", max_supply=0)),
            no("INVALID_ARGS", "A trait does not take the value.", traits={"visits": -1}),
            no("INVALID_ARGS", "The collection has no such trait.", traits={"moons": 1}),
            SUSPENDED,
            no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea")),
        ],
        **ONE,
        to=ANN,
        traits={"visits": 1},
    )
    told.call(
        "nft.evolve",
        "bob",
        "A badge with a visit becomes a regular guest's, once someone asks. Another rule fails, and is told.",
        "anyone",
        [
            NO_COLLECTION,
            NO_TOKEN,
            FROZEN_METADATA,
            no("NOT_ELIGIBLE", "The owner's tokens have still to hear of something, some blocks later.", waiting),
            no("NOT_ELIGIBLE", "No manual rule changes it now.", sent("bob", "nft.evolve", **ONE)),
        ],
        **ONE,
    )
    told.then(
        "A year passes, and the chain has not come to what falls due by then.",
        year_of_lag,
    )
    told.call(
        "nft.transfer",
        "ann",
        "Ann gives it to Bob. What was due while she had it is done first.",
        "the holder",
        [
            NO_COLLECTION,
            NO_TOKEN,
            no("NOT_AUTHORISED", "The signers do not act for the owner.", by="aurora-admin"),
            no("NOT_ELIGIBLE", "It is not the token of `from`.", from_=BOB),
            no("INVALID_ARGS", "It is the owner's already.", to=ANN),
            no("NOT_TRANSFERABLE", "The collection is soulbound.", changed("aurora-club", soulbound=True)),
            no(
                "NOT_TRANSFERABLE",
                "Only members of the brand may have it.",
                changed("aurora-club", transfer="brand"),
            ),
            no("NOT_ELIGIBLE", "The owner's tokens have still to evolve, some blocks later.", waiting),
            no("FROZEN", "The token is frozen.", frozen_token()),
            no(
                "FROZEN",
                "The owner, or who receives, is frozen at the brand.",
                sent("aurora-compliance", "token.freeze", account=BOB),
            ),
        ],
        **ONE,
        to=BOB,
    )


def _views(told: Story) -> None:
    told.view("nft_token", "The badge now.", [NO_COLLECTION, NO_TOKEN], **ONE)
    told.view("nft_tokens", "All of Bob's.", [], owner=BOB)
    told.view("nft_collection_tokens", "All of the collection.", [NO_COLLECTION], collection="aurora-club")
    told.view("nft_metadata", "As ERC-721 has it.", [NO_COLLECTION, NO_TOKEN], **ONE)
    told.view(
        "nft_traits",
        "One trait by its key (ERC-7496).",
        [NO_COLLECTION, NO_TOKEN, no("NOT_FOUND", "The token has no such trait.", keys=["moons"])],
        **ONE,
        keys=["visits"],
    )


def _changes(told: Story) -> None:
    told.call(
        "nft.update_collection",
        "aurora-marketer",
        "Aurora adds a trait and draws another icon; tokens come to this revision by themselves.",
        DESIGNER,
        [
            NO_COLLECTION,
            NO_DESIGNER,
            SUSPENDED,
            GONE,
            FROZEN_METADATA,
            no(
                "NOT_ELIGIBLE",
                "A trait would take less than before.",
                traits={"visits": {"type": "bool", "default": True}},
            ),
            no("NOT_ELIGIBLE", "`max_supply` would rise.", max_supply=1_001),
            no(
                "LIMIT_EXCEEDED",
                "More are minted than `max_supply` says.",
                sent("aurora-issuer", "nft.mint", collection="aurora-club", token=2, to=ANN),
                max_supply=1,
            ),
            no(
                "LIMIT_EXCEEDED",
                "There would be more than 32 traits.",
                traits={f"t{number}": {"type": "bool", "default": False} for number in range(31)},
            ),
            no("INVALID_ARGS", "A trait makes no sense.", traits={"x": {"type": "enum", "default": "y"}}),
            no("INVALID_ARGS", "Art is bound to what is no trait.", art={"caption": "{moons}"}),
            *_faulty_rules(),
            no("INVALID_ARGS", "The metadata are on chain.", base="ipfs://bafy"),
            no(
                "INVALID_ARGS",
                "The metadata are elsewhere, and so are the pictures.",
                changed("aurora-club", metadata=AtUri("ipfs://bafy")),
            ),
        ],
        collection="aurora-club",
        traits={"since": {"type": "string", "default": "", "label": "Member since"}},
        art={**ART, "icon": "crown"},
    )
    told.then("200 ms pass.", waited(200))
    told.view(
        "nft_history",
        "Every version of the badge.",
        [NO_COLLECTION, no("NOT_FOUND", "There never was such a token.", token=9)],
        **ONE,
    )
    told.view("nft_collection", "The collection at its second revision.", [NO_COLLECTION], collection="aurora-club")
    prints = {**CLUB, "collection": "aurora-prints", "metadata": {"mode": "uri", "base": "ipfs://bafy"}}
    del prints["art"]
    told.does("aurora-marketer", "nft.create_collection", **prints)
    told.does("aurora-issuer", "nft.mint", **ELSEWHERE, to=ANN)
    told.call(
        "nft.set_uri",
        "aurora-marketer",
        "Aurora has put a document elsewhere, and says its hash.",
        DESIGNER,
        [
            NO_COLLECTION,
            NO_TOKEN,
            NO_DESIGNER,
            NOT_ON_CHAIN,
            SUSPENDED,
            GONE,
            no(
                "FROZEN",
                "The collection's metadata are frozen.",
                sent("aurora-marketer", "nft.freeze_metadata", collection="aurora-prints"),
            ),
        ],
        **ELSEWHERE,
        uri="ipfs://bafy/1.json",
        hash="ab" * 32,
    )
    told.view("nft_collections", "All of Aurora's.", [NO_BRAND], brand="aurora")


def _end(told: Story) -> None:
    told.call(
        "nft.freeze",
        "aurora-compliance",
        "Bob's badge is to stay where it is for now.",
        "`compliance` of the brand",
        [
            NO_COLLECTION,
            NO_TOKEN,
            no("NOT_AUTHORISED", "No compliance of the brand has signed.", by="aurora-admin"),
        ],
        **ONE,
    )
    told.call(
        "nft.unfreeze",
        "aurora-compliance",
        "It may go again.",
        "`compliance` of the brand",
        [
            NO_COLLECTION,
            NO_TOKEN,
            no("NOT_AUTHORISED", "No compliance of the brand has signed.", by="aurora-admin"),
        ],
        **ONE,
    )
    told.then("Another year passes, and the chain lags again.", year_of_lag)
    told.call(
        "nft.burn",
        "bob",
        "Bob does not want it any more.",
        "the holder",
        [
            NO_COLLECTION,
            NO_TOKEN,
            no("NOT_AUTHORISED", "The signers do not act for the owner.", by="ann"),
            no("NOT_ELIGIBLE", "It is not the token of `from`.", from_=ANN),
            no("FROZEN", "The token is frozen.", frozen_token()),
            no("FROZEN", "The owner is frozen.", sent("aurora-compliance", "token.freeze", account=BOB)),
        ],
        **ONE,
    )
    told.call(
        "nft.freeze_metadata",
        "aurora-marketer",
        "The collection is finished: what its badges say is so for good.",
        DESIGNER,
        [
            NO_COLLECTION,
            NO_DESIGNER,
            SUSPENDED,
            GONE,
            FROZEN_METADATA,
            no("NOT_ELIGIBLE", "Tokens are still coming to the present revision.", refreshing),
        ],
        collection="aurora-club",
    )
