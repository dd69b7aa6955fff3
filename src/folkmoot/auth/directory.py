"""What the issuer knows: the directory it asks, and the sign-ins under way, both protocols that the store fulfils."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from starlette.requests import Request

from folkmoot.auth import scopes
from folkmoot.auth.entra import GUID, OAuthError
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.scopes import Scopes
from folkmoot.model import Application, SignIn

CODE_SECONDS: Final = 600  # Entra: authorization codes "typically expire after about 10 minutes"
DEVICE_SECONDS: Final = 900


class Directory(Protocol):
    """Who may sign in and through which applications. Those who are disabled are known, too."""

    async def person(self, name: str) -> SignIn | None:
        """The person with this user principal name or mail address, in any case."""

    async def authenticate(self, name: str, password: str) -> SignIn | None:
        """The person of that name when the password is theirs."""

    async def people(self) -> Sequence[SignIn]:
        """The people who may sign in with one click and no password, without their `password`.

        Empty where that is not wanted.
        """

    async def person_by_id(self, oid: str) -> SignIn | None:
        """The person with this directory id."""

    async def application(self, client_id: str) -> Application | None:
        """The registered application with this client id, a GUID in lower case."""


State = Literal["pending", "approved", "declined", "redeemed"]


@dataclass(frozen=True)
class Code:
    """An authorization code that was given out, and what it is bound to. `expires`: seconds since the epoch."""

    application: str
    redirect_uri: str
    challenge: str
    person: SignIn
    scopes: Scopes
    nonce: str
    expires: float
    redeemed: bool = False


@dataclass(frozen=True)
class Device:
    """A device that waits for its person. `person` is set when `state` is "approved"."""

    application: str
    user_code: str
    scopes: Scopes
    expires: float
    state: State = "pending"
    person: SignIn | None = None


class SignIns(Protocol):
    """Sign-ins under way, which any process of the server may go on with. What is past its time stays for a while, to
    be told apart from what never was."""

    async def add_code(self, code: str, given: Code) -> None:
        """Remember an authorization code."""

    async def code(self, code: str) -> Code | None:
        """What is known of an authorization code."""

    async def redeem_code(self, code: str) -> bool:
        """Use it, which one of all who try at the same time can. False for the others."""

    async def add_device(self, device_code: str, device: Device) -> None:
        """Remember a device that waits."""

    async def device(self, device_code: str) -> Device | None:
        """The device that holds this code."""

    async def device_of(self, user_code: str) -> Device | None:
        """The device that shows this code."""

    async def answer_device(self, user_code: str, person: SignIn | None) -> bool:
        """Sign the person in on the device; None: refuse it. False, and nothing changed, when it had its answer."""

    async def redeem_device(self, device_code: str) -> bool:
        """Use an answer that was given. False when it was used before."""


@dataclass
class Issuer:
    """Everything the endpoints need. Refresh tokens are kept nowhere but in the clients."""

    directory: Directory
    key: SigningKey
    tenant_id: str
    tenant_domain: str
    audience_hosts: Callable[[], frozenset[str]]
    base_url: Callable[[Request], str]
    clock: Callable[[], float]
    sign_ins: SignIns
    spelling: Mapping[str, str]

    def read_scopes(self, text: str) -> Scopes:
        """What a `scope` parameter asks for. OAuthError as `scopes.parse`."""
        return scopes.parse(text, self.audience_hosts(), self.spelling)

    def check_tenant(self, request: Request) -> str:
        """The tenant in the request's path as it was written. OAuthError when it is not ours."""
        tenant = str(request.path_params["tenant"])
        if tenant.lower() not in self.tenants:
            raise OAuthError(
                "invalid_tenant",
                90002,
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
                f"the correct cloud. This server's tenant is {self.tenant_domain} ({self.tenant_id}).",
            )
        return tenant

    @property
    def tenants(self) -> frozenset[str]:
        """The names under which the one tenant of this server is reached."""
        return frozenset({self.tenant_id.lower(), self.tenant_domain.lower(), "common", "organizations"})

    async def find_application(self, client_id: str) -> Application:
        """The registered application. OAuthError AADSTS700016 when there is none."""
        known = GUID.fullmatch(client_id.lower()) is not None
        application = await self.directory.application(client_id.lower()) if known else None
        if application is None:
            raise OAuthError(
                "unauthorized_client",
                700016,
                f"Application with identifier '{client_id}' was not found in the directory '{self.tenant_domain}'. "
                "This can happen if the application has not been registered with this server.",
            )
        return application
