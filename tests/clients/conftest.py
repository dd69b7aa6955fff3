"""One started server for all clients, trusted as its operator is told to, and people who signed in to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from msgraph import GraphServiceClient

from tests.clients.browser import Browser
from tests.clients.provider import Provider, providing
from tests.clients.running import running
from tests.clients.sdk import DEFAULT, client, signed_in
from tests.server import Server


def pytest_configure(config: pytest.Config) -> None:
    # The SDK warns of classes of its own, whenever one of its modules is loaded.
    for warning in ("GetQueryParameters is deprecated", "This class is deprecated. Please use the generic"):
        config.addinivalue_line("filterwarnings", f"ignore:{warning}:DeprecationWarning")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("clients")) as started:
        yield started


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A certified OpenID provider of somebody else's."""
    with providing(tmp_path_factory.mktemp("provider")) as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def trust(server: Server) -> Iterator[None]:
    """The Python clients of this process trust the development CA."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(server.ca))
        patch.setenv("REQUESTS_CA_BUNDLE", str(server.ca))
        yield


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Asynchronous tests of a module share an event loop, and so the clients that belong to it."""
    return "asyncio"


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Browser]:
    with Browser(server.ca) as opened:
        yield opened


@pytest.fixture(scope="module")
async def adele(server: Server, browser: Browser, trust: None) -> AsyncIterator[GraphServiceClient]:
    """Adele, who owns Sales and Marketing."""
    with signed_in(server, browser, "AdeleV") as credential:
        async with client(server, credential, DEFAULT) as graph:
            yield graph


@pytest.fixture(scope="module")
async def alex(server: Server, browser: Browser, trust: None) -> AsyncIterator[GraphServiceClient]:
    """Alex, a member of Sales and Marketing."""
    with signed_in(server, browser, "AlexW") as credential:
        async with client(server, credential, DEFAULT) as graph:
            yield graph


@pytest.fixture(scope="module")
async def admin(server: Server, browser: Browser, trust: None) -> AsyncIterator[GraphServiceClient]:
    """The administrator, with a permission that the application does not have for everyone."""
    with signed_in(server, browser, "admin", "User.ReadWrite.All") as credential:
        async with client(server, credential, "User.ReadWrite.All") as graph:
            yield graph
