"""`POST /v1/allocations`, and which campaigns a request of the workload may be given."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from allocation.campaigns import Campaigns, Viewer
from allocation.tracking import Signer, device_key_of, key_of

TTL_S = 60
TOKEN_LIFETIME = timedelta(hours=1)
MOST_PLACEMENTS = MOST_SLOTS = 20

CAMPAIGNS = Campaigns.load(settings.WORKLOAD / "campaigns.json")
SIGNER = Signer.load(settings.WORKLOAD / "keys.json")
PROFILES: dict[str, dict[str, Any]] = json.loads((settings.WORKLOAD / "devices.json").read_text(encoding="utf-8"))
REQUESTS: list[dict[str, Any]] = json.loads((settings.WORKLOAD / "requests.json").read_text(encoding="utf-8"))


@require_POST
def allocate(request: HttpRequest) -> JsonResponse:
    """Which ad or content this device sees now."""
    try:
        asked = _read(request.body)
    except (KeyError, TypeError, ValueError) as error:
        return JsonResponse({"code": "bad_request", "detail": str(error)}, status=400)
    now = datetime.now(UTC)
    expires_at = now + TOKEN_LIFETIME
    expires_text = expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    request_id = uuid.uuid4()
    origin = f"{request.scheme}://{request.get_host()}"
    device = asked["device"].get("id")
    viewer = Viewer(asked, PROFILES.get(device), now)
    device_key = device_key_of(device) if device is not None else bytes(16)

    items, fallback = [], True
    given: set[str] = set()
    for placement in asked["placements"]:
        for slot, (campaign, creative) in enumerate(CAMPAIGNS.choose(placement, viewer, given)):
            token = SIGNER.token(
                request=request_id.bytes,
                slot=slot,
                campaign=campaign.key,
                creative=creative.key,
                placement=key_of(placement["id"]),
                issued_at=int(now.timestamp()),
                device=device_key,
                pricing=campaign.pricing,
                price_micros=campaign.price_micros,
                expires_at=int(expires_at.timestamp()),
            )
            items.append({
                "placement": placement["id"],
                "slot": slot,
                "type": creative.type,
                "campaign_id": campaign.id,
                "creative_id": creative.id,
                "assets": creative.assets,
                "impression_url": f"{origin}/v1/t/imp/{token}",
                "click_url": f"{origin}/v1/t/clk/{token}",
                "expires_at": expires_text,
            })
            fallback = fallback and campaign.house
    return JsonResponse({
        "request_id": str(request_id),
        "ttl_s": TTL_S,
        "items": items,
        "fallback": fallback,
    })


@require_GET
def eligible(request: HttpRequest) -> JsonResponse:
    """The ids of all campaigns that the first placement of a request may be given at a time."""
    asked = REQUESTS[int(request.GET["request"])]
    viewer = Viewer(asked, PROFILES.get(asked["device"].get("id")), datetime.fromisoformat(request.GET["at"]))
    placement = asked["placements"][0]
    found = CAMPAIGNS.eligible(placement["id"], placement.get("types"), viewer)
    return JsonResponse(sorted(campaign.id for campaign in found), safe=False)


def _read(body: bytes) -> dict[str, Any]:
    """The request, if it has what is needed of it."""
    asked = json.loads(body)
    if not isinstance(asked["device"]["platform"], str):
        raise TypeError("device.platform must be a text")
    placements = asked["placements"]
    if not 1 <= len(placements) <= MOST_PLACEMENTS:
        raise ValueError(f"there must be 1 to {MOST_PLACEMENTS} placements")
    for placement in placements:
        if not isinstance(placement["id"], str) or not 1 <= placement["count"] <= MOST_SLOTS:
            raise ValueError(f"a placement must have an id and 1 to {MOST_SLOTS} slots")
    return asked
