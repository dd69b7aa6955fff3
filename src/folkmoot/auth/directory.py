"""What the issuer knows: the directory it asks (a protocol that the store fulfils), and its short-lived memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, Protocol, TypeVar

from starlette.requests import Request

from folkmoot.auth.entra import GUID, OAuthError
from folkmoot.auth.keys import SigningKey
from folkmoot.auth.scopes import Scopes
from folkmoot.model import Application, SignIn

CODE_SECONDS: Final = 600  # Entra: authorization codes "typically expire after about 10 minutes"
DEVICE_SECONDS: Final = 900
MAX_PENDING: Final = 10_000  # codes of each kind that are remembered; the oldest is forgotten first


class Directory(Protocol):
    """Who may sign in and through which applications."""

    async def person(self, name: str) -> SignIn | None:
        """The person with this user principal name or mail address, in any case."""

    async def authenticate(self, name: str, password: str) -> SignIn | None:
        """The person of that name when the password is theirs."""

    async def people(self) -> Sequence[SignIn]:
        """The people who may sign in with one click and no password. Empty where that is not wanted."""

    async def person_by_id(self, oid: str) -> SignIn | None:
        """The person with this directory id."""

    async def application(self, client_id: str) -> Application | None:
        """The registered application with this client id, a GUID in lower case."""


@dataclass
class Code:
    """An authorization code that was given out, and what it is bound to."""

    application: str
    redirect_uri: str
    challenge: str
    person: SignIn
    scopes: Scopes
    nonce: str
    expires: float
    redeemed: bool = False


@dataclass
class Device:
    """A device that waits for its person. `person` is set when `state` is "approved"."""

    application: str
    user_code: str
    scopes: Scopes
    expires: float
    state: Literal["pending", "approved", "declined", "redeemed"] = "pending"
    person: SignIn | None = None

    def approve(self, person: SignIn) -> bool:
        """Sign the person in on the device. False, and nothing changed, when the device had its answer before."""
        if self.state != "pending":
            return False
        self.state, self.person = "approved", person
        return True


T = TypeVar("T")


class Recent(Generic[T]):
    """The newest entries by key, at most `limit`. What is past its time stays until pushed out, to be told apart from
    what never was."""

    def __init__(self, limit: int = MAX_PENDING) -> None:
        self._limit = limit
        self._entries: dict[str, T] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> T | None:
        return self._entries.get(key)

    def put(self, key: str, entry: T) -> None:
        while len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry


@dataclass
class Issuer:
    """Everything the endpoints need. The memory is this process's; refresh tokens live outside it, in the clients."""

    directory: Directory
    key: SigningKey
    tenant_id: str
    tenant_domain: str
    audience_hosts: Callable[[], frozenset[str]]
    base_url: Callable[[Request], str]
    clock: Callable[[], float]
    codes: Recent[Code] = field(default_factory=Recent)
    devices: Recent[Device] = field(default_factory=Recent)  # by device_code
    user_codes: Recent[Device] = field(default_factory=Recent)  # the same ones by user_code

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
