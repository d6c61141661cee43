"""Campaigns: created, changed by versions, paused, ended; by two people where the brand wants it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from contracts_py.campaign import loads
from contracts_py.campaign.answers import CampaignShown, CampaignState, CampaignStatus, Waiting
from contracts_py.campaign.effect_types import EffectArgs
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.events import ApprovalSet, Created, Over, Proposed, StatusChanged, Updated
from contracts_py.campaign.kinds import Draft as EffectDraft
from contracts_py.campaign.records import (
    APPROVALS,
    CAMPAIGNS,
    CAMPAIGNS_OF,
    DRAFTS,
    OVERS,
    SPENT,
    VERSIONS,
    Campaign,
    Draft,
    Terms,
)
from contracts_py.campaign.terms import (
    changed,
    checked_effects,
    in_force,
    issues,
    require_sound,
    settled,
)
from contracts_py.campaign.types import Budget, PerMember, Priority, Source
from contracts_py.identity import Authority
from contracts_py.token import Ledger
from vm.contract_api import (
    DEFAULT_PAGE,
    MAX_INT,
    Context,
    Contract,
    Cursor,
    Page,
    PageLimit,
    Refused,
    Slug,
    TimeMs,
    call,
    current_params,
    due,
    refuse,
    view,
)


class Campaigns(Contract):
    """The room for campaigns."""

    name = "campaign"

    def __init__(self, authority: Authority, ledger: Ledger, kinds: Kinds) -> None:
        self._authority = authority
        self._ledger = ledger
        self._kinds = kinds

    @call
    def create(
        self,
        ctx: Context,
        campaign: Slug,
        brand: Slug,
        event: Slug,
        when: Source,
        then: EffectArgs,
        starts: TimeMs,
        ends: TimeMs,
        budget: Budget | None = None,
        per_member: PerMember | None = None,
        priority: Priority = 0,
        group: Slug | None = None,
    ) -> CampaignState:
        """Create a campaign (marketer; with an issuer where an effect issues): from `starts` until before `ends`.

        Of campaigns that listen to one event, those with the greatest priority come first, then by id; of a group
        one fires for a record.
        """
        self._require_alone(ctx, brand)
        terms = self._new_terms(
            ctx, brand, Terms(when, (), starts, ends, priority, budget, per_member, group), then
        )
        self._require_roles(ctx, brand, terms)
        return self._create(ctx, campaign, brand, event, terms)

    @call
    def update(
        self,
        ctx: Context,
        campaign: Slug,
        when: Source | None = None,
        then: EffectArgs | None = None,
        starts: TimeMs | None = None,
        ends: TimeMs | None = None,
        budget: Budget | None = None,
        per_member: PerMember | None = None,
        priority: Priority | None = None,
        group: Slug | None = None,
    ) -> CampaignState:
        """Make a version with what is named (as `create`).

        Once the campaign has begun, what may lower what members get waits for the notice period of the budget's
        program.
        """
        record = self._require_open(ctx, campaign)
        self._require_alone(ctx, record.brand)
        changes = {
            "when": when,
            "starts": starts,
            "ends": ends,
            "budget": budget,
            "per_member": per_member,
            "priority": priority,
            "group": group,
        }
        terms = self._changed_terms(ctx, record, changes, then)
        self._require_roles(ctx, record.brand, terms)
        return self._update(ctx, campaign, record, terms)

    @call
    def pause(self, ctx: Context, campaign: Slug) -> CampaignState:
        """Let a campaign do nothing, from this block on (marketer)."""
        return self._set_status(ctx, campaign, "paused")

    @call
    def resume(self, ctx: Context, campaign: Slug) -> CampaignState:
        """Let a paused campaign go on (marketer)."""
        record = CAMPAIGNS.require(ctx, campaign)
        self._authority.require_active(ctx, record.brand)
        return self._set_status(ctx, campaign, "active")

    @call
    def end(self, ctx: Context, campaign: Slug) -> CampaignState:
        """End a campaign (marketer): now, or where it has begun to issue, after its program's notice period."""
        record = self._require_open(ctx, campaign)
        self._authority.require_role(ctx, record.brand, "marketer")
        terms = record.terms
        notice = self._notice_ms(ctx, terms) if terms.starts <= ctx.time else 0
        # A time after `starts` keeps the interval one; before it has begun, it ends as it begins.
        ends = max(min(terms.ends, ctx.time + notice), terms.starts)
        return self._put_version(ctx, campaign, record, replace(terms, ends=ends), 0)

    # -- two people --------------------------------------------------------------------------------

    @call
    def set_approval(self, ctx: Context, brand: Slug, required: bool) -> bool:
        """Say whether a brand's campaigns are made by two people: `propose` and `approve` (admin)."""
        self._authority.require_role(ctx, brand, "admin")
        if required:
            APPROVALS.put(ctx, True, brand)
        else:
            APPROVALS.delete(ctx, brand)
        ctx.emit(ApprovalSet(brand, required))
        return required

    @call
    def propose(
        self,
        ctx: Context,
        campaign: Slug,
        brand: Slug,
        event: Slug,
        when: Source,
        then: EffectArgs,
        starts: TimeMs,
        ends: TimeMs,
        budget: Budget | None = None,
        per_member: PerMember | None = None,
        priority: Priority = 0,
        group: Slug | None = None,
    ) -> Waiting:
        """Propose a campaign, or other terms of one, to a second person (marketer); it replaces what waits."""
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        record = CAMPAIGNS.get(ctx, campaign)
        if record is not None and (record.brand != brand or record.event != event):
            raise Refused("ALREADY_EXISTS", "the campaign exists, of another brand or event", campaign=campaign)
        waiting = DRAFTS.get(ctx, campaign)
        if waiting is not None and waiting.brand != brand:
            raise Refused("ALREADY_EXISTS", "another brand has proposed a campaign of this name", campaign=campaign)
        self._authority.require_free_name(ctx, campaign, brand)
        draft = Terms(when, (), starts, ends, priority, budget, per_member, group)
        terms = self._new_terms(ctx, brand, draft, then)
        base = 0 if record is None else _latest(record)
        DRAFTS.put(ctx, Draft(brand, event, terms, ctx.sender, base), campaign)
        ctx.emit(Proposed(campaign, brand))
        return Waiting(campaign, base)

    @call
    def approve(self, ctx: Context, campaign: Slug) -> CampaignState:
        """Put a proposal into force (a marketer other than the proposer, with an issuer where an effect issues)."""
        draft = DRAFTS.require(ctx, campaign)
        self._authority.require_active(ctx, draft.brand)
        others = [
            who for who, brands in self._authority.brands_of_signers(ctx, "marketer") if draft.brand in brands
        ]
        if not any(who != draft.proposer for who in others):
            raise Refused("NOT_AUTHORISED", "needs a marketer other than the proposer", brand=draft.brand)
        if issues(self._kinds, draft.terms.then):
            self._authority.require_role(ctx, draft.brand, "issuer")
        DRAFTS.delete(ctx, campaign)
        record = CAMPAIGNS.get(ctx, campaign)
        if draft.base != (0 if record is None else _latest(record)):
            raise Refused("CHANGED", "the campaign has another version by now", campaign=campaign)
        require_sound(ctx, self._kinds, draft.terms)
        if record is None:
            return self._create(ctx, campaign, draft.brand, draft.event, draft.terms)
        return self._update(ctx, campaign, self._require_open(ctx, campaign), draft.terms)

    # -- what they share ---------------------------------------------------------------------------

    def _require_alone(self, ctx: Context, brand: str) -> None:
        """Refuse where the brand wants two people, or has no campaigns."""
        self._authority.require_active(ctx, brand)
        if APPROVALS.get(ctx, brand):
            raise Refused(
                "NOT_AUTHORISED", "the brand wants two people: propose it, and another approves", brand=brand
            )

    def _require_roles(self, ctx: Context, brand: str, terms: Terms) -> None:
        self._authority.require_role(ctx, brand, "marketer")
        if issues(self._kinds, terms.then):
            self._authority.require_role(ctx, brand, "issuer")

    def _new_terms(self, ctx: Context, brand: str, terms: Terms, then: EffectArgs) -> Terms:
        if terms.budget is not None:
            self._require_own_program(ctx, brand, terms.budget.program)
        effects = checked_effects(ctx, self._kinds, EffectDraft(brand, terms.budget), then)
        terms = replace(terms, then=effects)
        require_sound(ctx, self._kinds, terms)
        return terms

    def _require_own_program(self, ctx: Context, brand: str, program: str) -> None:
        if self._ledger.rules(ctx, program).brand != brand:
            raise Refused("NOT_AUTHORISED", "the program is another brand's", program=program)

    def _changed_terms(
        self, ctx: Context, record: Campaign, changes: Mapping[str, object], then: EffectArgs | None
    ) -> Terms:
        """Return the latest terms with some changed."""
        latest = record.terms if record.announced is None else record.announced.terms
        terms = replace(latest, **{name: value for name, value in changes.items() if value is not None})
        if latest.budget is not None and terms.budget is not None and latest.budget.program != terms.budget.program:
            refuse("budget.program", "the program that the budget has: what was spent is its points")
        if then is not None:
            return self._new_terms(ctx, record.brand, terms, then)
        require_sound(ctx, self._kinds, terms)
        return terms

    def _create(self, ctx: Context, campaign: str, brand: str, event: str, terms: Terms) -> CampaignState:
        CAMPAIGNS.require_absent(ctx, campaign)
        self._authority.require_free_name(ctx, campaign, brand)
        loads.store(ctx, self._kinds, campaign, Campaign(brand, event, "active", 1, terms))
        VERSIONS.put(ctx, terms, campaign, 1)
        CAMPAIGNS_OF.add(ctx, brand, item=campaign)
        self._plan_over(ctx, campaign, terms)
        ctx.emit(Created(campaign, brand, event, terms.starts, terms.ends))
        return CampaignState(campaign, "active", 1, ctx.time)

    def _update(self, ctx: Context, campaign: str, record: Campaign, terms: Terms) -> CampaignState:
        return self._put_version(ctx, campaign, record, terms, self._notice_ms(ctx, record.terms))

    def _put_version(
        self, ctx: Context, campaign: str, record: Campaign, terms: Terms, notice_ms: int
    ) -> CampaignState:
        """Make a version."""
        version = _latest(record) + 1
        VERSIONS.put(ctx, terms, campaign, version)
        after, from_ = changed(record, terms, version, notice_ms, ctx.time)
        loads.store(ctx, self._kinds, campaign, after)
        self._plan_over(ctx, campaign, terms)
        ctx.emit(Updated(campaign, record.brand, version, from_))
        return CampaignState(campaign, _status_of(after, ctx.time), version, from_)

    def _notice_ms(self, ctx: Context, terms: Terms) -> int:
        return 0 if terms.budget is None else self._ledger.rules(ctx, terms.budget.program).notice_ms

    def _require_open(self, ctx: Context, campaign: str) -> Campaign:
        """Return a campaign that is not over, with what is in force.

        Raises:
            Refused: NOT_FOUND, EXPIRED.
        """
        record = settled(CAMPAIGNS.require(ctx, campaign), ctx.time)
        if _is_over(record.terms, ctx.time):
            raise Refused("EXPIRED", "the campaign is over", ends=record.terms.ends)
        return record

    def _set_status(self, ctx: Context, campaign: str, status: str) -> CampaignState:
        record = self._require_open(ctx, campaign)
        self._authority.require_role(ctx, record.brand, "marketer")
        if record.status == status:
            raise Refused("NOT_ELIGIBLE", f"the campaign is {status}", campaign=campaign)
        after = replace(record, status=status)
        loads.store(ctx, self._kinds, campaign, after)
        ctx.emit(StatusChanged(campaign, record.brand, after.status))
        return CampaignState(campaign, _status_of(after, ctx.time), _latest(after))

    # -- the end -----------------------------------------------------------------------------------

    def _plan_over(self, ctx: Context, campaign: str, terms: Terms) -> None:
        """Plan when nothing that is recorded can fire a campaign any more; an earlier plan does nothing then."""
        at = min(terms.ends + current_params(ctx).max_backdate_ms, MAX_INT)
        OVERS.put(ctx, at, campaign)

    @due(OVERS)
    def over(self, ctx: Context, at: int, campaign: str) -> bool:
        """Take a campaign that is over from among those of its event."""
        del at
        record = CAMPAIGNS.require(ctx, campaign)
        _, terms = in_force(record, ctx.time)
        last = max(terms.ends, terms.ends if record.announced is None else record.announced.terms.ends)
        still = min(last + current_params(ctx).max_backdate_ms, MAX_INT)
        if ctx.time < still:
            OVERS.put(ctx, still, campaign)
            return False
        if loads.unlist(ctx, self._kinds, campaign, record):
            ctx.emit(Over(campaign, record.brand))
        return False

    # -- views -------------------------------------------------------------------------------------

    @view
    def campaign(self, ctx: Context, campaign: Slug) -> CampaignShown:
        """Return a campaign."""
        return _shown(ctx, campaign, CAMPAIGNS.require(ctx, campaign))

    @view
    def campaigns(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[CampaignShown]:
        """Return a brand's campaigns by id, those that are over included."""
        self._authority.brand_record(ctx, brand)
        return CAMPAIGNS_OF.page(
            ctx,
            brand,
            cursor=cursor,
            limit=limit,
            show=lambda name: _shown(ctx, name, CAMPAIGNS.require(ctx, name)),
        )


def _latest(record: Campaign) -> int:
    return record.version if record.announced is None else record.announced.version


def _is_over(terms: Terms, time: int) -> bool:
    """Tell whether a campaign is over; one that was ended before it began never begins."""
    return time >= terms.ends or terms.ends <= terms.starts


def _status_of(record: Campaign, time: int) -> CampaignStatus:
    _, terms = in_force(record, time)
    if _is_over(terms, time):
        return "ended"
    if record.status == "paused":
        return "paused"
    return "active" if time >= terms.starts else "announced"


def _shown(ctx: Context, campaign: str, stored: Campaign) -> CampaignShown:
    record = settled(stored, ctx.time)
    return CampaignShown(
        campaign,
        record.brand,
        record.event,
        _status_of(record, ctx.time),
        record.version,
        record.terms,
        SPENT.get(ctx, campaign) or 0,
        record.announced,
        record.shares,
        record.experiment,
    )
