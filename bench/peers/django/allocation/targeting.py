"""Targeting: rules, made into functions once, and what is known of who asks.

A rule on a value that is not known is false, whatever it says.
"""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypedDict


class Facts(TypedDict):
    """What targeting looks at; `None` is not known."""

    platform: str | None
    country: str | None
    gender: str | None
    age: int | None
    interests: frozenset[str] | None
    segments: frozenset[str] | None
    keywords: frozenset[str] | None


Test = Callable[[Facts], bool]


def facts_of(asked: dict[str, Any], profile: dict[str, Any] | None, now: datetime) -> Facts:
    """The request's own fields win; its lists are united with the profile's."""
    device, user, stored = asked["device"], asked.get("user") or {}, profile or {}
    birth_year = user.get("birth_year") or stored.get("birth_year")
    return Facts(
        platform=device["platform"],
        country=device.get("country") or stored.get("country"),
        gender=user.get("gender") or stored.get("gender"),
        # The age that is certain: before this year's birthday.
        age=max(now.year - birth_year - 1, 0) if birth_year and birth_year <= now.year else None,
        interests=_united(asked.get("interests"), stored.get("interests")),
        segments=_united(stored.get("segments")),
        keywords=_united(asked.get("keywords")),
    )


def compile_rules(targeting: dict[str, Any] | None) -> tuple[Test, ...]:
    """All of these must hold."""
    return tuple(_shared(json.dumps(rule)) for rule in (targeting or {}).get("all", ()))


@cache
def _shared(rule: str) -> Test:
    """Campaigns with the same rule have the same function, which stays in the processor's cache."""
    return _test(json.loads(rule))


def _test(rule: dict[str, Any]) -> Test:
    match rule:
        case {"any": alternatives}:
            tests = tuple(map(_test, alternatives))
            return lambda facts: any(test(facts) for test in tests)
        case {"field": "platform" | "country" | "gender" | "age" as field, **operation}:
            return _of_one(field, operation)
        case {"field": "interests" | "segments" | "keywords" as field, **operation}:
            return _of_list(field, operation)
    raise ValueError(f"a rule that is not known here: {rule}")


def _of_one(field: str, operation: dict[str, Any]) -> Test:
    match operation:
        case {"in": values}:
            wanted = frozenset(values)
            # `None` is in no set of values.
            return lambda facts: facts[field] in wanted
        case {"not_in": values}:
            unwanted = frozenset(values) | {None}
            return lambda facts: facts[field] not in unwanted
        case {"gte": _} | {"lt": _}:
            low, below = operation.get("gte", float("-inf")), operation.get("lt", float("inf"))
            return lambda facts: (value := facts[field]) is not None and low <= value < below
    raise ValueError(f"an operation that is not known here: {operation}")


def _of_list(field: str, operation: dict[str, Any]) -> Test:
    match operation:
        case {"any_of": values}:
            wanted = frozenset(values)
            return lambda facts: (known := facts[field]) is not None and not wanted.isdisjoint(known)
        case {"all_of": values}:
            wanted = frozenset(values)
            return lambda facts: (known := facts[field]) is not None and wanted <= known
        case {"none_of": values}:
            wanted = frozenset(values)
            return lambda facts: (known := facts[field]) is not None and wanted.isdisjoint(known)
    raise ValueError(f"an operation that is not known here: {operation}")


def _united(*lists: list[str] | None) -> frozenset[str] | None:
    known = [labels for labels in lists if labels is not None]
    return frozenset().union(*known) if known else None
