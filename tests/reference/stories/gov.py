"""The story of gov: four validators decide, one rotates its key, another is caught contradicting itself."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from contracts_py.gov.proposals import MAX_OPEN_PER_BRAND, MAX_WITHDRAWALS_PER_DAY
from contracts_py.gov.records import BRAND_USES, REPORT_COUNTS, BrandUse, ReportCount
from contracts_py.gov.reports import MAX_REPORT_AGE, MAX_REPORTS_PER_VALIDATOR
from tests.contract_harness import CHAIN, START, Chain, account_of, key_of
from tests.reference.story import ALLIANCE, Deed, Story, alliance_ops, leaving, no, sent, suspended, waited
from tests.support.ledger import key_of as real_key
from vm.chain_records import ValidatorEntry
from vm.contract_api import Context, change_nodes, change_validators
from vm.membership import current_validators
from vm.primitives.codec import encode
from vm.primitives.keys import Domain

DAY: Final = 86_400_000
BRANDS: Final = ("aurora", "borea", "cielo", "dorado")
ADMINS: Final = "aurora-admin+borea-admin+cielo-admin"
NODE, NEW_KEY = key_of("node").hex(), key_of("newcomer").hex()
DORADO: Final = real_key("dorado-validator")
ANOTHER: Final = "ab" * 32

AN_ADMIN: Final = "an `admin` of a brand with a validator"
NO_PROPOSAL: Final = no("NOT_FOUND", "There is no such proposal.", proposal="moons")
OVER: Final = no("EXPIRED", "The time to vote is over.", waited(14 * DAY))
NOBODY: Final = no("NOT_AUTHORISED", "Nobody sends this.", by=ALLIANCE)


def statement(digest: str) -> dict[str, str]:
    """Return what Dorado's validator has signed as its prepare of height 1, round 0."""
    payload = {"chain": CHAIN, "height": 1, "round": 0, "digest": bytes.fromhex(digest)}
    return {"digest": digest, "signature": DORADO.sign(Domain.PREPARE, encode(payload)).hex()}


def proposed(*actions: dict[str, Any], proposal: str = "change", by: str = "aurora-admin") -> Deed:
    """Return a deed: actions are proposed."""
    return sent(by, "gov.propose", proposal=proposal, title="A change", actions=list(actions))


def voted(proposal: str = "change", choice: str = "yes", by: str = ADMINS) -> Deed:
    """Return a deed: brands vote."""
    return sent(by, "gov.vote", proposal=proposal, choice=choice)


def story() -> Story:
    """Tell it."""
    entries = [ValidatorEntry(real_key(f"{brand}-validator").public_key, brand) for brand in BRANDS]
    intro = (
        "The brands Aurora, Borea, Cielo and Dorado, each with a validator and one person for each role, and Etna, "
        "which has no validator. Three of four votes decide."
    )
    told = Story("gov", intro, alliance_ops(*BRANDS, "etna"), validators=entries)
    _voting(told)
    _decisions(told)
    _upkeep(told)
    _failures(told)
    return told


def both_admin(chain: Chain) -> None:
    """Let Aurora's admin be Borea's, too."""
    account = account_of("aurora-admin")
    sent("borea-admin", "identity.grant_role", brand="borea", role="admin", account=account)(chain)


def _voting(told: Story) -> None:
    add_node = {"action": "add_node", "key": NODE}
    made: dict[str, Any] = {"proposal": "node-1", "title": "A node for the auditor", "actions": [add_node]}
    long = {
        "action": "register_brand",
        "brand": "fuego",
        "name": "Fuego",
        "admins": [account_of(f"fuego-{number}") for number in range(16)],
        "offsets": [{"from": number, "minutes": 60} for number in range(200)],
    }

    def many_open(chain: Chain) -> None:
        for number in range(MAX_OPEN_PER_BRAND):
            proposed(add_node, proposal=f"node-x{number}")(chain)

    told.call(
        "gov.propose",
        "aurora-admin",
        "An auditor would like to run a full node.",
        AN_ADMIN,
        [
            no("NOT_AUTHORISED", "`brand` has no validator.", brand="etna"),
            no("NOT_AUTHORISED", "No admin of a brand with a validator has signed.", by="etna-admin"),
            no("NOT_AUTHORISED", "The proposal's name is reserved for another brand.", proposal="borea-1"),
            NOBODY,
            no("INVALID_ARGS", "`brand` is left out, and the signers are admins of several.", both_admin),
            no(
                "INVALID_ARGS", "`set_params` names no parameter.", actions=[{"action": "set_params", "params": {}}]
            ),
            no(
                "INVALID_ARGS",
                "A parameter is out of its bounds.",
                actions=[{"action": "set_params", "params": {"max_tx_ttl_ms": 1}}],
            ),
            no("ALREADY_EXISTS", "The proposal exists.", sent("aurora-admin", "gov.propose", **made)),
            no("LIMIT_EXCEEDED", "The actions are longer than 32 KiB.", actions=[long] * 16),
            no("LIMIT_EXCEEDED", "The brand has 16 open proposals.", many_open),
            no(
                "LIMIT_EXCEEDED",
                "The actions of the brand's open proposals are too long together.",
                lambda chain: chain.govern(lambda ctx: BRAND_USES.put(ctx, BrandUse(1, 128 * 1024), "aurora")),
            ),
        ],
        **made,
    )
    told.view("gov_proposal", "It is open.", [NO_PROPOSAL], proposal="node-1")
    read = told.chain.view("gov_proposal", proposal="node-1")["actions_hash"]
    told.call(
        "gov.vote",
        "aurora-admin",
        "Aurora's own vote; two more are needed.",
        AN_ADMIN,
        [
            NO_PROPOSAL,
            no("CHANGED", "It has other actions than those that the voters have read.", actions_hash=ANOTHER),
            no("NOT_AUTHORISED", "No admin of a brand with a validator has signed.", by="etna-admin"),
            no("NOT_AUTHORISED", "`brand` has no validator.", brand="etna"),
            no("NOT_AUTHORISED", "No admin of `brand` has signed.", brand="borea"),
            NOBODY,
            no("INVALID_ARGS", "`brand` is left out, and one account is admin of several.", both_admin),
            no("ALREADY_EXISTS", "The brand has voted.", voted("node-1", by="aurora-admin")),
            no("NOT_ELIGIBLE", "It is decided, or was withdrawn.", voted("node-1")),
            OVER,
        ],
        proposal="node-1",
        choice="yes",
        actions_hash=read,
    )

    def many_withdrawn(chain: Chain) -> None:
        def fill(ctx: Context) -> None:
            use = BRAND_USES.require(ctx, "aurora")
            BRAND_USES.put(ctx, replace(use, day=ctx.time // DAY, withdrawn=MAX_WITHDRAWALS_PER_DAY), "aurora")

        chain.govern(fill)

    told.call(
        "gov.withdraw",
        "aurora-admin",
        "The auditor has thought better of it.",
        "an `admin` of the proposal's brand",
        [
            NO_PROPOSAL,
            no("NOT_AUTHORISED", "No admin of the proposal's brand has signed.", by="borea-admin"),
            NOBODY,
            no("LIMIT_EXCEEDED", "The brand has withdrawn 16 proposals today.", many_withdrawn),
            no("NOT_ELIGIBLE", "It is decided, or was withdrawn.", voted("node-1", by="borea-admin+cielo-admin")),
            OVER,
        ],
        proposal="node-1",
    )


def _decisions(told: Story) -> None:
    """Let the alliance vote for every action there is: so all events are told."""
    actions: list[dict[str, Any]] = [
        {"action": "add_node", "key": NODE},
        {"action": "remove_node", "key": NODE},
        {"action": "register_brand", "brand": "fuego", "name": "Fuego", "admins": [account_of("fuego-admin")]},
        {"action": "add_validator", "brand": "fuego", "key": NEW_KEY},
        {"action": "remove_validator", "brand": "fuego"},
        {"action": "suspend_brand", "brand": "fuego"},
        {"action": "resume_brand", "brand": "fuego"},
        {"action": "replace_admins", "brand": "fuego", "admins": [account_of("fuego-second")]},
        {"action": "set_params", "params": {"due_ms": 20 * DAY}},
        {"action": "schedule_upgrade", "version": 3, "height": 100_000},
        {"action": "exit_brand", "brand": "fuego", "ends": START + 90 * DAY, "custodian": "etna"},
    ]
    told.does("aurora-admin", "gov.propose", proposal="all-of-them", title="Every action there is", actions=actions)
    told.does(ADMINS, "gov.vote", proposal="all-of-them", choice="yes")
    told.does("aurora-admin", "gov.propose", proposal="not-now", title="Not now", actions=actions[:1])
    told.does(ADMINS, "gov.vote", proposal="not-now", choice="no")
    told.does("aurora-admin", "gov.propose", proposal="not-so", title="Not so", actions=actions[1:2])
    told.does(ADMINS, "gov.vote", proposal="not-so", choice="yes")
    told.view("gov_proposals", "The latest is the one that failed.", cursor="3")
    told.view("gov_params", "As they were voted for.")


def _upkeep(told: Story) -> None:
    old = real_key("aurora-validator").public_key.hex()
    rotated = {"old": old, "new": NEW_KEY}

    told.call(
        "gov.rotate_key",
        "aurora-admin+newcomer",
        "Aurora moves its validator to another machine.",
        "an `admin` of the validator's brand, and the new key",
        [
            no("NOT_FOUND", "No validator has this key.", old=NODE),
            no("NOT_AUTHORISED", "No admin of the brand has signed.", by="newcomer"),
            no("NOT_AUTHORISED", "The new key has not signed.", by="aurora-admin"),
            no(
                "ALREADY_EXISTS",
                "A validator has this key.",
                sent(
                    "borea-admin+newcomer",
                    "gov.rotate_key",
                    old=real_key("borea-validator").public_key.hex(),
                    new=NEW_KEY,
                ),
            ),
            no("LIMIT_EXCEEDED", "The brand has rotated its key 4 times today.", four_rotations),
        ],
        **rotated,
    )
    told.then("One block is made, with Dorado's validator.", waited(1_000))
    first, second = statement(ANOTHER), statement("cd" * 32)
    report: dict[str, Any] = {
        "validator": DORADO.public_key.hex(),
        "height": 1,
        "round": 0,
        "step": "prepare",
        "first": first,
        "second": second,
    }

    def enough(chain: Chain) -> None:
        count = ReportCount(MAX_REPORTS_PER_VALIDATOR, 0, 1)
        chain.govern(lambda ctx: REPORT_COUNTS.put(ctx, count, DORADO.public_key.hex()))

    def long_ago(chain: Chain) -> None:
        chain.height += MAX_REPORT_AGE + 1

    told.call(
        "gov.report",
        "ann",
        "A node has seen two prepares of Dorado for height 1, and proves it.",
        "anyone",
        [
            no("NOT_FOUND", "No validator of that height has this key.", validator=NODE),
            no("INVALID_ARGS", "The height is 0, or still to come.", height=99_999),
            no("INVALID_ARGS", "Both statements are the same.", second=first),
            no(
                "INVALID_ARGS",
                "A signature is not the validator's.",
                second={**second, "signature": first["signature"]},
            ),
            no(
                "INVALID_ARGS", "A value that the step signs is missing.", second={"signature": second["signature"]}
            ),
            no(
                "INVALID_ARGS",
                "A value is given that the step does not sign.",
                second={**second, "state_root": ANOTHER},
            ),
            no("ALREADY_EXISTS", "The step has been reported.", sent("ann", "gov.report", **report)),
            no("LIMIT_EXCEEDED", "Enough is known of this validator for now.", enough),
            no("EXPIRED", "The height is more than 100,000 blocks ago.", long_ago),
        ],
        **report,
    )
    told.view("gov_reports", "What is known.", limit=1)
    told.view("gov_reported", "How often Dorado was reported.", validator=DORADO.public_key.hex())


def four_rotations(chain: Chain) -> None:
    """Let Aurora rotate its key four times, the last time back to the first key."""
    start = real_key("aurora-validator").public_key.hex()
    people = ["spare1", "spare2", "spare3", "spare4"]
    keys = [start, *[key_of(person).hex() for person in people]]
    for person, old, new in zip(people, keys, keys[1:], strict=False):
        sent(f"aurora-admin+{person}", "gov.rotate_key", old=old, new=new)(chain)
    entries = [replace_key(entry, start) for entry in current_validators(chain.state)]
    chain.govern(lambda ctx: change_validators(ctx, entries))


def replace_key(entry: ValidatorEntry, key: str) -> ValidatorEntry:
    """Return Aurora's entry with another key, any other as it is."""
    return ValidatorEntry(bytes.fromhex(key), entry.brand) if entry.brand == "aurora" else entry


def _failures(told: Story) -> None:
    dorado = DORADO.public_key.hex()
    fuego = {"action": "register_brand", "brand": "guanaco", "name": "G", "admins": [account_of("g")]}
    leave = {"action": "exit_brand", "brand": "etna", "ends": START + 90 * DAY, "custodian": "borea"}

    def full_nodes(chain: Chain) -> None:
        chain.govern(lambda ctx: change_nodes(ctx, [key_of(f"n{number}") for number in range(1_000)]))

    def full_set(chain: Chain) -> None:
        others = [ValidatorEntry(key_of(f"v{number}"), "dorado") for number in range(252)]
        entries = [*current_validators(chain.state), *others]
        chain.govern(lambda ctx: change_validators(ctx, entries))

    def action(name: str, **fields: Any) -> dict[str, Any]:
        return {"action": name, **fields}

    told.fails("ALREADY_EXISTS", "The brand has a validator.", action("add_validator", brand="borea", key=NODE))
    told.fails("ALREADY_EXISTS", "A validator has the key.", action("add_validator", brand="etna", key=dorado))
    told.fails("NOT_FOUND", "There is no such brand.", action("add_validator", brand="moons", key=NODE))
    told.fails(
        "SUSPENDED", "The brand is suspended.", action("add_validator", brand="etna", key=NODE), suspended("etna")
    )
    told.fails("NOT_FOUND", "The brand has no validator.", action("remove_validator", brand="etna"))
    told.fails("NOT_ELIGIBLE", "Fewer than 4 validators would be left.", action("remove_validator", brand="dorado"))
    told.fails(
        "LIMIT_EXCEEDED", "There are 256 validators.", action("add_validator", brand="etna", key=NODE), full_set
    )
    told.fails("ALREADY_EXISTS", "A node or validator has the key.", action("add_node", key=dorado))
    told.fails("LIMIT_EXCEEDED", "There are 1,000 full nodes.", action("add_node", key=NODE), full_nodes)
    told.fails("NOT_FOUND", "No full node has the key.", action("remove_node", key=NODE))
    told.fails("ALREADY_EXISTS", "The brand exists.", {**fuego, "brand": "etna"})
    told.fails("INVALID_ARGS", "An admin is named twice.", {**fuego, "admins": [account_of("g")] * 2})
    told.fails("NOT_ELIGIBLE", "The brand is suspended.", action("suspend_brand", brand="etna"), suspended("etna"))
    told.fails("NOT_ELIGIBLE", "The brand is not suspended.", action("resume_brand", brand="etna"))
    told.fails("ALREADY_EXISTS", "The brand leaves already.", leave, leaving("etna", "borea"))
    told.fails("INVALID_ARGS", "A brand is its own custodian.", {**leave, "custodian": "etna"})
    told.fails("SUSPENDED", "The custodian is suspended.", leave, suspended("borea"))
    told.fails("EXPIRED", "The run-off would be over already.", {**leave, "ends": START})
    told.fails("LIMIT_EXCEEDED", "The run-off is longer than ten years.", {**leave, "ends": START + 4_000 * DAY})
    told.fails(
        "INVALID_ARGS",
        "The parameters do not go together.",
        action("set_params", params={"max_tx_cost": 1_000_000}),
    )
    told.fails(
        "NOT_ELIGIBLE",
        "The version is not above the present one.",
        action("schedule_upgrade", version=2, height=10**6),
    )
    told.fails(
        "EXPIRED",
        "The height is not at least two above the block's.",
        action("schedule_upgrade", version=9, height=1),
    )
