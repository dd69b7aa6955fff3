"""Bodies of subscriptions: what is to be followed, with what certificate, until when."""

from __future__ import annotations

import re
from typing import cast

import msgspec

from folkmoot.graph import ids
from folkmoot.graph.encryption import read_certificate
from folkmoot.graph.inputs import SubscriptionIn, SubscriptionPatchIn
from folkmoot.model import ChangeType, Profile, SubscriptionDraft, Watched
from folkmoot.odata.literals import read_moment
from folkmoot.odata.path import parse_path
from folkmoot.refusals import BadBody, IdMalformed, NotFound, UnknownSegment

LONGEST_STATE = 128  # characters of clientState and of ids that the application gives
TLS_VERSIONS = ("v1_0", "v1_1", "v1_2", "v1_3")
_CHANGES = ("created", "updated", "deleted")

# What of the content of groups can be followed, by the last word of the resource.
_CONTENT: dict[str, Watched] = {"conversations": "conversation", "threads": "thread", "posts": "post"}
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)  # Edm.DateTimeOffset (OData 4.01 ABNF)
_KNOWN = {
    "strict": "groups/{id}/conversations",
    "extended": "groups/{id}/conversations, groups/{id}/threads, groups/{id}/threads/{id}/posts, groups/conversations, "
    "groups/threads, groups/posts, groups and users",
}


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """What a PATCH changes: None leaves it. `fixed` are the properties that it may only repeat."""

    wished: int | None
    certificate: str | None
    certificate_id: str | None
    fixed: tuple[tuple[str, str | bool | tuple[ChangeType, ...]], ...]


def draft(given: SubscriptionIn) -> SubscriptionDraft:
    """A POST as the verb takes it, as far as it can be read without the store. Raises `BadBody`."""
    watched, group, parent = _resource(given.resource)
    _short(given.client_state, "clientState")
    _short(given.notification_url_app_id, "notificationUrlAppId")
    certificate = _certificate(given.encryption_certificate)
    certificate_id = _short(given.encryption_certificate_id, "encryptionCertificateId")
    if given.include_resource_data:
        for name, value in (("encryptionCertificate", certificate), ("encryptionCertificateId", certificate_id)):
            if not value:
                raise BadBody(f"The property '{name}' is required with includeResourceData.", target=name)
    return SubscriptionDraft(
        resource=given.resource,
        watched=watched,
        group=group,
        parent=parent,
        change_types=_change_types(given.change_type),
        notification_url=given.notification_url,
        lifecycle_url=given.lifecycle_notification_url,
        client_state=given.client_state,
        include_resource_data=bool(given.include_resource_data),
        certificate=certificate,
        certificate_id=certificate_id or None,
        tls_version=_tls_version(given.latest_supported_tls_version),
        url_app_id=given.notification_url_app_id,
        expires_at=_moment(given.expiration_date_time),
    )


def renewal(given: SubscriptionPatchIn) -> Renewal:
    """A PATCH as the verb takes it. Raises `BadBody`."""
    changes, tls_version = given.change_type, given.latest_supported_tls_version
    fixed = {
        "resource": given.resource,
        "changeType": None if changes is None else _change_types(changes),
        "notificationUrl": given.notification_url,
        "lifecycleNotificationUrl": given.lifecycle_notification_url,
        "clientState": given.client_state,
        "includeResourceData": given.include_resource_data,
        "latestSupportedTlsVersion": None if tls_version is None else _tls_version(tls_version),
        "notificationUrlAppId": given.notification_url_app_id,
    }
    return Renewal(
        wished=None if given.expiration_date_time is None else _moment(given.expiration_date_time),
        certificate=_certificate(given.encryption_certificate),
        certificate_id=_short(given.encryption_certificate_id, "encryptionCertificateId") or None,
        fixed=tuple((name, value) for name, value in fixed.items() if value is not None),
    )


def offered(wanted: SubscriptionDraft, profile: Profile) -> None:
    """Raise `BadBody` for what a profile has no subscriptions to (n38: conversations of one group, without data)."""
    content = wanted.watched in _CONTENT.values()
    if profile == "strict" and (wanted.watched != "conversation" or wanted.group is None):
        raise _unknown(wanted.resource, profile)
    if wanted.include_resource_data and (profile == "strict" or not content):
        raise BadBody(
            f"Notifications of '{wanted.resource}' cannot include resource data.", target="includeResourceData"
        )


def _resource(text: str) -> tuple[Watched, str | None, str | None]:
    """What a resource names: the noun, the group, and of posts the thread."""
    try:
        steps = [step for each in parse_path(text) for step in (each.name, each.key) if step is not None]
    except UnknownSegment as error:
        raise BadBody(f"The resource cannot be read: {error.message}", target="resource") from None
    # A collection's name is matched without regard to case, an id to the letter.
    match [step.lower() if number % 2 == 0 else step for number, step in enumerate(steps)]:
        case ["groups"]:
            return "group", None, None
        case ["users"]:
            return "user", None, None
        case ["groups", name] if name.lower() in _CONTENT:
            return _CONTENT[name.lower()], None, None
        case ["groups", id, "conversations" | "threads" as name]:
            return _CONTENT[name], _group(id), None
        case ["groups", id, "threads", thread, "posts"]:
            group = _group(id)
            try:
                return "post", group, ids.read_thread_id(thread, group)
            except (IdMalformed, NotFound):
                raise BadBody(f"'{thread[:120]}' is not the id of a thread of the group.", target="resource") from None
    raise _unknown(text, "extended")


def _unknown(resource: str, profile: Profile) -> BadBody:
    return BadBody(
        f"There are no subscriptions to '{resource[:200]}'; there are to {_KNOWN[profile]}.", target="resource"
    )


def _group(id: str) -> str:
    group = ids.guid(id)
    if group is None:
        raise BadBody(f"'{id[:64]}' is not the id of a group.", target="resource")
    return group


def _change_types(text: str) -> tuple[ChangeType, ...]:
    given = {each.strip().lower() for each in text.split(",")}
    if not given <= set(_CHANGES):
        raise BadBody("changeType holds created, updated and deleted, with commas between.", target="changeType")
    return cast(tuple[ChangeType, ...], tuple(each for each in _CHANGES if each in given))


def _moment(text: str) -> int:
    """Microseconds since the epoch; what is finer is cut off."""
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError("it is no moment such as 2026-11-22T18:23:45Z")
        return int(read_moment(text.upper()) * 1_000_000)
    except ValueError as error:
        raise BadBody(f"expirationDateTime cannot be read: {error}.", target="expirationDateTime") from None


def _short(text: str | None, name: str) -> str | None:
    if text is not None and len(text) > LONGEST_STATE:
        raise BadBody(f"{name} has at most {LONGEST_STATE} characters.", target=name)
    return text


def _tls_version(text: str | None) -> str:
    """v1_0 to v1_3; the generated SDKs print them as v10 to v13."""
    if text is None:
        return "v1_2"
    found = next((each for each in TLS_VERSIONS if text.lower() in (each, each.replace("_", ""))), None)
    if found is None:
        raise BadBody(
            f"latestSupportedTlsVersion is one of {', '.join(TLS_VERSIONS)}.", target="latestSupportedTlsVersion"
        )
    return found


def _certificate(text: str | None) -> str | None:
    """Base64 of an X.509 certificate, in DER or PEM as clients send either, with an RSA key to encrypt data for."""
    if not text:
        return None
    read_certificate(text)
    return text
