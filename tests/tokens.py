"""A seeded person's token, made past the server.

Older releases are tested with it, too (`unit/a_day.py`): it uses only what each of them has.
"""

from __future__ import annotations

import time

from folkmoot import lab
from folkmoot.app import development_key
from folkmoot.auth.minting import mint
from folkmoot.config import Settings
from folkmoot.model import Application, SignIn


def token(settings: Settings, person: lab.LabPerson) -> str:
    """What lets a person of the lab do all that the public client may, for an hour."""
    client = lab.PUBLIC_CLIENT
    address = f"{person.nick}@{settings.domain}"
    return mint(
        development_key(settings),
        base="https://localhost",
        tenant_id=settings.tenant_id,
        application=Application(
            id=client.id,
            name=client.name,
            principal=lab.principal(client),
            secret_hash=None,
            roles=(),
            scopes=client.scopes,
            profile="strict",
        ),
        person=SignIn(oid=person.id, upn=address, name=person.name, mail=address),
        permissions=client.scopes,
        lifetime=3600,
        now=time.time(),
    )
