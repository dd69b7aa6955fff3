"""How Entra answers: OAuth errors with AADSTS codes, headers, and form bodies (RFC 6749 §3.2, §5.2 and appendix B).

Source of the codes: Entra, "Microsoft Entra authentication and authorization error codes".
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

MAX_BODY = 64 * 1024  # bytes of a form
MAX_FIELDS = 100
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1
# Any page may ask: programs in browsers sign in from origins of their own. No cookie or other standing right of the
# browser counts at these addresses, so a foreign page learns nothing that it could not ask for by itself.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # in lower case, as this project writes it


class OAuthError(Exception):
    """A refusal of the issuer: `error` (RFC 6749 §5.2 and its extensions), the AADSTS number, and the text."""

    def __init__(self, error: str, code: int, text: str, *, status: int | None = None) -> None:
        """`status`: the HTTP status, by default 401 for `invalid_client` and 400 for the others."""
        super().__init__(f"AADSTS{code}: {text}")
        self.error = error
        self.code = code
        self.text = text
        self.status = status or (401 if error == "invalid_client" else 400)


def missing(parameter: str) -> OAuthError:
    """The refusal of a request without a parameter that it needs."""
    return OAuthError(
        "invalid_request", 900144, f"The request body must contain the following parameter: '{parameter}'."
    )


def parse_query(request: Request) -> dict[str, str]:
    """The parameters of the request's query. OAuthError as `parse_form`."""
    return parse_form(request.scope["query_string"].decode("latin-1"))


def required(form: dict[str, str], parameter: str) -> str:
    """The parameter's value; a parameter without a value counts as left out (RFC 6749 §3.2)."""
    value = form.get(parameter)
    if not value:
        raise missing(parameter)
    return value


def correlation_id(request: Request) -> str:
    """The client's own `client-request-id` when it is a GUID, else a new one."""
    given = request.headers.get("client-request-id", "").lower()
    return given if GUID.fullmatch(given) else str(uuid.uuid4())


def described(error: OAuthError, *, trace: str, correlation: str, now: float) -> str:
    """The error_description as Entra writes it."""
    at = _timestamp(now)
    return f"{error} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"


def error_answer(request: Request, error: OAuthError, now: float) -> JSONResponse:
    """The JSON of a refusal: error, error_description, error_codes, timestamp, trace_id, correlation_id, error_uri."""
    trace, correlation = str(uuid.uuid4()), correlation_id(request)
    headers = {**NO_STORE, "x-ms-request-id": trace, "client-request-id": correlation}
    if error.status == 401 and "authorization" in request.headers:
        headers["WWW-Authenticate"] = 'Basic realm="Folkmoot"'  # RFC 6749 §5.2: when the client used this header
    body = {
        "error": error.error,
        "error_description": described(error, trace=trace, correlation=correlation, now=now),
        "error_codes": [error.code],
        "timestamp": _timestamp(now),
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={error.code}",
    }
    return JSONResponse(body, error.status, headers)


def parse_form(text: str) -> dict[str, str]:
    """The parameters of a query or a form body. OAuthError when it is not UTF-8 or names a parameter twice."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:  # a UnicodeDecodeError is one
        raise OAuthError(
            "invalid_request", 9002313, "Invalid request. Request is malformed or invalid: not form-encoded UTF-8."
        ) from None
    form = dict(pairs)
    if len(form) < len(pairs):  # RFC 6749 §3.1, §3.2: "MUST NOT be included more than once"
        raise OAuthError("invalid_request", 90100, "A parameter is given more than once.")
    return form


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of the request's form body. OAuthError: another content type, over 64 KiB (413), not a form."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", 900144, "The body must be of type application/x-www-form-urlencoded.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise OAuthError("invalid_request", 90015, f"The body is longer than {MAX_BODY} bytes.", status=413)
    except ClientDisconnect:
        raise OAuthError("invalid_request", 9002313, "The client left before the body was complete.") from None
    try:
        return parse_form(body.decode())
    except UnicodeDecodeError:
        raise OAuthError("invalid_request", 9002313, "Invalid request. The body is not UTF-8.") from None


Handler = Callable[[Request], Awaitable[Response]]


def for_programs(handler: Handler, clock: Callable[[], float], methods: frozenset[str]) -> Handler:
    """`handler` as an endpoint that answers programs: refusals as JSON, and open to pages of every origin."""

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        answer: Response
        if request.method == "OPTIONS":
            answer = Response(status_code=204)
        elif request.method not in methods:
            verb = "POST" if "POST" in methods else "GET"
            text = f"The endpoint only accepts {verb} requests. Received a {request.method} request."
            answer = error_answer(request, OAuthError("invalid_request", 900561, text, status=405), clock())
            answer.headers["Allow"] = ", ".join(sorted(methods | {"OPTIONS"}))
        else:
            try:
                answer = await handler(request)
            except OAuthError as error:
                answer = error_answer(request, error, clock())
        answer.headers.update(CORS)
        return answer

    return endpoint


def _timestamp(now: float) -> str:
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
