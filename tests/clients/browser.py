"""A person before the server's own sign-in pages, by the forms that a browser would show them.

Browser(ca).sign_in(address, oid)              in a test
python -m tests.clients.browser CA OID ADDRESS as a browser that programs start (BROWSER)
"""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from types import TracebackType

import httpx

from tests.auth.support import Form, Page


class Browser:
    """Opens pages, types into their forms and clicks on their buttons."""

    def __init__(self, ca: Path) -> None:
        self._http = httpx.Client(verify=ssl.create_default_context(cafile=ca))

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def code(self, address: str, oid: str) -> str:
        """Open an authorization request that answers by redirection, sign in, and read the code in the answer."""
        location = httpx.URL(self._choose(self._http.get(address), oid).headers["location"])
        return location.params["code"]

    def enter(self, address: str, user_code: str, oid: str) -> str:
        """Type the code that a device shows, sign in, and read the page that says so."""
        asked = self._http.get(address)
        [form] = Page(asked.text).forms
        return Page(self._choose(self._submit(asked, form, user_code=user_code), oid).text).text

    def sign_in(self, address: str, oid: str) -> None:
        """Open an authorization request that answers a listening program by a form, sign in, and send that form."""
        answer = self._choose(self._http.get(address), oid)
        [form] = Page(answer.text).forms
        self._http.post(form.action, data=form.fields).raise_for_status()

    def _choose(self, page: httpx.Response, oid: str) -> httpx.Response:
        page.raise_for_status()
        form = next(form for form in Page(page.text).forms if ("account", oid) in form.buttons)
        return self._submit(page, form, account=oid)

    def _submit(self, page: httpx.Response, form: Form, **typed: str) -> httpx.Response:
        address = page.url.join(form.action)
        own = {"Origin": f"{address.scheme}://{address.netloc.decode()}", "Sec-Fetch-Site": "same-origin"}
        answer = self._http.post(address, data=form.fields | typed, headers=own)
        assert answer.status_code in (200, 303), answer.text
        return answer


if __name__ == "__main__":
    with Browser(Path(sys.argv[1])) as browser:
        browser.sign_in(sys.argv[3], sys.argv[2])
