"""Tracking tokens: 76 bytes and the first 16 of their HMAC-SHA-256, in base64url."""

import base64
import hashlib
import hmac
import json
import struct
from pathlib import Path
from typing import Self

_LAYOUT = struct.Struct(">BB16sBQQQI16sBQI")
_VERSION = 2
_SIGNATURE_BYTES = 16
_PRICINGS = {None: 0, "cpm": 1, "cpc": 2, "cpa": 3, "flat": 4, "impressions": 5}


def key_of(text: str) -> int:
    """The 64 bits that stand for an id."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def device_key_of(device: str) -> bytes:
    """The 128 bits that stand for a device."""
    return hashlib.sha256(device.encode()).digest()[:16]


class Signer:
    """Signs with one key."""

    def __init__(self, key_id: int, key: bytes) -> None:
        self._key_id = key_id
        self._key = key

    @classmethod
    def load(cls, path: Path) -> Self:
        current = json.loads(path.read_text(encoding="utf-8"))["current"]
        return cls(current["id"], base64.b64decode(current["key"]))

    def token(
        self,
        *,
        request: bytes,
        slot: int,
        campaign: int,
        creative: int,
        placement: int,
        issued_at: int,
        device: bytes,
        pricing: str | None,
        price_micros: int,
        expires_at: int,
    ) -> str:
        said = _LAYOUT.pack(
            _VERSION,
            self._key_id,
            request,
            slot,
            campaign,
            creative,
            placement,
            issued_at // 60,
            device,
            _PRICINGS[pricing],
            price_micros,
            expires_at,
        )
        signature = hmac.digest(self._key, said, "sha256")[:_SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(said + signature).rstrip(b"=").decode()
