"""The issuer's sign-ins under way, in the database: each step may reach another process (see `auth.directory`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from folkmoot.auth.directory import Code, Device
from folkmoot.model import SignIn
from folkmoot.store import sign_ins
from folkmoot.store.db import Store

T = TypeVar("T")


class StoredSignIns:
    """See `auth.directory.SignIns`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add_code(self, code: str, given: Code) -> None:
        text = msgspec.json.encode(given).decode()
        await self._store.write(lambda tx: sign_ins.add(tx, code, None, text, given.expires))

    async def code(self, code: str) -> Code | None:
        found = await self._store.read(lambda snapshot: sign_ins.find(snapshot, code), quick=True)
        return None if found is None else _as(Code, found[1], redeemed=found[0] == "redeemed")

    async def redeem_code(self, code: str) -> bool:
        return await self._store.write(lambda tx: sign_ins.move(tx, code, "pending", "redeemed"))

    async def add_device(self, device_code: str, device: Device) -> None:
        text = msgspec.json.encode(device).decode()
        await self._store.write(lambda tx: sign_ins.add(tx, device_code, device.user_code, text, device.expires))

    async def device(self, device_code: str) -> Device | None:
        found = await self._store.read(lambda snapshot: sign_ins.find(snapshot, device_code), quick=True)
        return None if found is None else _as(Device, found[1], state=found[0])

    async def device_of(self, user_code: str) -> Device | None:
        if not user_code.isascii() or not user_code.isalnum():
            return None
        found = await self._store.read(lambda snapshot: sign_ins.find_by_user_code(snapshot, user_code), quick=True)
        return None if found is None else _as(Device, found[1], state=found[0])

    async def answer_device(self, user_code: str, person: SignIn | None) -> bool:
        device = await self.device_of(user_code)
        if device is None:
            return False
        text = msgspec.json.encode(replace(device, person=person)).decode()
        state = "declined" if person is None else "approved"
        return await self._store.write(lambda tx: sign_ins.answer(tx, user_code, state, text))

    async def redeem_device(self, device_code: str) -> bool:
        return await self._store.write(lambda tx: sign_ins.move(tx, device_code, "approved", "redeemed"))


def _as(kind: type[T], text: str, **known: Any) -> T:
    return msgspec.convert(msgspec.json.decode(text) | known, kind, strict=False)
