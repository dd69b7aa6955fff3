"""A certified OpenID provider in a process of its own, and the programs and people who sign in to it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx

from folkmoot.auth import certificates
from tests.clients.test_javascript_sdk import HERE, node
from tests.server import free_port

RESOURCE = "https://moot.example.org"
SCOPES = "User.Read Group.ReadWrite.All"
BACK = "http://127.0.0.1/back"
_ACTION = re.compile(r'<form[^>]* action="([^"]+)"')


@dataclass
class Provider:
    """A running provider. `ca` is the certificate that signed its own."""

    issuer: str
    ca: Path
    process: subprocess.Popen[str]

    def rotate(self) -> None:
        """Sign with a new key; the old one stays published."""
        self._say("rotate")

    def drop(self) -> None:
        """Publish the signing key alone."""
        self._say("drop")

    def person(self, name: str, *, resource: str = RESOURCE, scope: str = SCOPES) -> str:
        """An access token of a person who signs in to `moot-web`: the code flow with PKCE (RFC 7636) over HTTP."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "client_id": "moot-web",
            "response_type": "code",
            "redirect_uri": BACK,
            "scope": f"openid {scope}",
            "resource": resource,
            "state": "s",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        with self._http() as http:
            answer = http.get(f"{self.issuer}/auth?{urlencode(asked)}")
            for form in ({"prompt": "login", "login": name, "password": "any"}, {"prompt": "consent"}):
                answer = self._follow(http, answer)
                action = _ACTION.search(answer.text)
                assert action is not None, answer.text
                answer = http.post(answer.url.join(action[1]), data=form)
            answer = self._follow(http, answer)
            code = httpx.URL(answer.headers["location"]).params["code"]
            return self._token(
                http,
                {
                    "grant_type": "authorization_code",
                    "client_id": "moot-web",
                    "code": code,
                    "redirect_uri": BACK,
                    "code_verifier": verifier,
                    "resource": resource,
                },
            )

    def application(self, *, resource: str = RESOURCE, scope: str = "Group.ReadWrite.All") -> str:
        """An access token of the client `moot-daemon` by itself (RFC 6749 §4.4)."""
        with self._http() as http:
            http.auth = httpx.BasicAuth("moot-daemon", "daemon-secret")
            return self._token(http, {"grant_type": "client_credentials", "resource": resource, "scope": scope})

    def _follow(self, http: httpx.Client, answer: httpx.Response) -> httpx.Response:
        """Where the provider sends the browser, up to a page or the way back to the program."""
        while answer.is_redirect and not answer.headers["location"].startswith(BACK):
            answer = http.get(answer.url.join(answer.headers["location"]))
        return answer

    def _token(self, http: httpx.Client, form: dict[str, str]) -> str:
        answer = http.post(f"{self.issuer}/token", data=form)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def _http(self) -> httpx.Client:
        return httpx.Client(verify=ssl.create_default_context(cafile=str(self.ca)))

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        until(self.process, word)


def until(process: subprocess.Popen[str], word: str) -> str:
    """What a process prints up to the line that begins with `word`."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith(word):
            return printed
    raise AssertionError(f"'{word}' was never said:\n{printed}")


@contextmanager
def providing(folder: Path) -> Iterator[Provider]:
    """A provider that lives as long as the block; its certificate and that one's authority are made in `folder`."""
    made = certificates.ensure(folder, [])
    port = free_port()
    process = subprocess.Popen(
        [node(), "provider.mjs", str(port), str(made.certificate), str(made.key)],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, process.stdin:
        try:
            until(process, "ready")
            yield Provider(f"https://localhost:{port}", made.ca, process)
        finally:
            process.kill()
            process.wait()
