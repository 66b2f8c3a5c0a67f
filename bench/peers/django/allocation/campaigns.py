"""Campaigns in memory, and the choice among them."""

import heapq
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Self

from allocation.targeting import Test, compile_rules, facts_of
from allocation.tracking import key_of

FOREVER = float("inf")


@dataclass(slots=True, frozen=True)
class Creative:
    """Something to show."""

    id: str
    key: int
    type: str
    weight: int
    assets: dict[str, Any]


@dataclass(slots=True, frozen=True, eq=False)
class Campaign:
    """A campaign, ready to be held against a request."""

    id: str
    key: int
    advertiser: str
    categories: frozenset[str]
    starts_at: float
    ends_at: float
    house: bool
    tier: int
    weight: int
    placements: frozenset[str]
    types: frozenset[str]
    tests: tuple[Test, ...]
    needs_consent: bool
    needs_device: bool
    pricing: str | None
    price_micros: int
    creatives: tuple[Creative, ...]

    @classmethod
    def read(cls, written: dict[str, Any]) -> Self:
        house = written.get("house", False)
        budget = written.get("budget") or {}
        ends_at = written.get("ends_at")
        if any("locale" in creative for creative in written["creatives"]):
            raise ValueError("creatives for one language are not known here")
        return cls(
            id=written["id"],
            key=key_of(written["id"]),
            advertiser=written["advertiser"],
            categories=_set(*written.get("categories") or ()),
            starts_at=_seconds(written["starts_at"]),
            ends_at=_seconds(ends_at) if ends_at else FOREVER,
            house=house,
            tier=written["tier"],
            weight=written["weight"],
            placements=_set(*written["placements"]),
            types=_set(*(creative["type"] for creative in written["creatives"])),
            tests=compile_rules(written.get("targeting")),
            needs_consent=written["consent"] == "required",
            needs_device=written["no_device"] == "skip" and not house,
            pricing=budget.get("pricing"),
            price_micros=budget.get("price_micros") or 0,
            creatives=tuple(
                Creative(one["id"], key_of(one["id"]), one["type"], one["weight"], one["assets"])
                for one in written["creatives"]
            ),
        )


class Viewer:
    """Who looks, and what they do not want to see."""

    def __init__(self, asked: dict[str, Any], profile: dict[str, Any] | None, now: datetime) -> None:
        exclude = asked.get("exclude") or {}
        self.now = now.timestamp()
        self.facts = facts_of(asked, profile, now)
        self.known = asked["device"].get("id") is not None
        self.consented = asked.get("consent") is True and asked["device"].get("lmt") is not True
        self.campaigns = frozenset(exclude.get("campaigns") or ())
        self.advertisers = frozenset(exclude.get("advertisers") or ())
        self.categories = frozenset(exclude.get("categories") or ())


class Campaigns:
    """All campaigns."""

    def __init__(self, campaigns: Iterable[Campaign]) -> None:
        self._all = list(campaigns)

    @classmethod
    def load(cls, path: Path) -> Self:
        with path.open(encoding="utf-8") as file:
            return cls(map(Campaign.read, json.load(file)))

    def eligible(self, placement: str, types: list[str] | None, viewer: Viewer) -> list[Campaign]:
        """The campaigns that may be shown there, by a look at each of them."""
        now, facts, known, consented = viewer.now, viewer.facts, viewer.known, viewer.consented
        not_these, not_from, not_about = viewer.campaigns, viewer.advertisers, viewer.categories
        found = []
        for campaign in self._all:
            # What most campaigns fail by comes first.
            for test in campaign.tests:
                if not test(facts):
                    break
            else:
                if (
                    campaign.starts_at <= now < campaign.ends_at
                    and placement in campaign.placements
                    and (types is None or not campaign.types.isdisjoint(types))
                    and (consented or not campaign.needs_consent)
                    and (known or not campaign.needs_device)
                    and campaign.id not in not_these
                    and campaign.advertiser not in not_from
                    and campaign.categories.isdisjoint(not_about)
                ):
                    found.append(campaign)
        return found

    def choose(
        self, placement: dict[str, Any], viewer: Viewer, given: set[str]
    ) -> list[tuple[Campaign, Creative]]:
        """As many campaigns as there are slots: the best tiers first, by weight within a tier."""
        types = placement.get("types")
        tiers = defaultdict(list)
        for campaign in self.eligible(placement["id"], types, viewer):
            if campaign.id not in given:
                tiers[campaign.house, campaign.tier].append(campaign)
        chosen: list[Campaign] = []
        for tier in sorted(tiers):
            left = placement["count"] - len(chosen)
            if left == 0:
                break
            chosen += _drawn(tiers[tier], left)
        given.update(campaign.id for campaign in chosen)
        return [(campaign, _creative(campaign, types)) for campaign in chosen]


def _drawn(campaigns: list[Campaign], count: int) -> list[Campaign]:
    """By weight, without replacement (Efraimidis and Spirakis)."""
    if count == 1:
        return random.choices(campaigns, [campaign.weight for campaign in campaigns])
    return heapq.nsmallest(count, campaigns, key=lambda campaign: random.expovariate(campaign.weight))


def _creative(campaign: Campaign, types: list[str] | None) -> Creative:
    fitting = [one for one in campaign.creatives if types is None or one.type in types]
    return random.choices(fitting, [one.weight for one in fitting])[0]


# Equal values are kept once: what many campaigns share stays in the processor's cache.
@cache
def _set(*labels: str) -> frozenset[str]:
    return frozenset(labels)


@cache
def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()
