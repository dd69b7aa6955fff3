"""Open extensions of posts, and what a new post brings along of them and of extended properties.

An extension is a part of its post: `changeKey` and `lastModifiedDateTime` of the post change with it, as in Exchange,
which keeps both in one item.
"""

from __future__ import annotations

from typing import Any

import msgspec

from folkmoot.model import Extension, ExtensionDraft, Post, PostDraft, Standing
from folkmoot.ops import access
from folkmoot.refusals import BadBody, NameTaken
from folkmoot.store import extensions
from folkmoot.store.changes import Kind, next_seq, record
from folkmoot.store.db import Tx

# Extensions of a post, and bytes of JSON in one. With so many, $expand shows all of them.
MAX_EXTENSIONS = 20
MAX_BYTES = 32_768

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_TYPE_OF = "@odata.type"


def add(tx: Tx, standing: Standing, post: Post, draft: ExtensionDraft) -> str:
    """Add an extension to a post and return its id.

    Raises `NotAllowed` unless the post is the caller's to manage, `NameTaken` where the post has one of that name, and
    `BadBody` for one too many or too large.
    """
    access.manage_content(standing, post.author)
    if extensions.extension(tx, standing.group, post.id, draft.name.lower()) is not None:
        raise NameTaken(f"The post already has an extension named '{draft.name}'.", target="extensionName")
    if extensions.count(tx, standing.group, post.id) >= MAX_EXTENSIONS:
        raise BadBody(f"A post can have at most {MAX_EXTENSIONS} extensions.", target="extensionName")
    data = _data(draft)
    _touch(tx, standing, post)
    id = _insert(tx, standing.group, post.id, draft.name, data)
    _record(tx, standing, post, "created", id)
    return id


def change(tx: Tx, standing: Standing, post: Post, extension: Extension, draft: ExtensionDraft) -> None:
    """Merge properties into an extension; one that is null is removed. What changes nothing is not a change.

    Raises `NotAllowed` unless the post is the caller's to manage, `BadBody` for another name or too much.
    """
    access.manage_content(standing, post.author)
    if draft.name and draft.name.lower() != extension.name.lower():
        raise BadBody("The property 'extensionName' cannot be changed.", target="extensionName")
    data = _text(merged(_decode(extension.data), draft.data))
    if data == extension.data:
        return
    _touch(tx, standing, post)
    tx.run(extensions.CHANGE, g=standing.group, p=post.id, item=extension.folded, new_data=data)
    _record(tx, standing, post, "updated", extension.id)


def remove(tx: Tx, standing: Standing, post: Post, extension: Extension) -> None:
    """Delete an extension. Raises `NotAllowed` unless the post is the caller's to manage."""
    access.manage_content(standing, post.author)
    _touch(tx, standing, post)
    tx.run(extensions.REMOVE, g=standing.group, p=post.id, item=extension.folded)
    _record(tx, standing, post, "deleted", extension.id)


def insert(tx: Tx, group: str, thread: str, post: str, draft: PostDraft) -> None:
    """Add what a new post brings along (see `too_much`); its own line in the change log tells of it."""
    for extension in draft.extensions:
        _insert(tx, group, post, extension.name, _data(extension))
    for single in draft.single_values:
        extensions.add_single(tx, group, thread, post, single)
    for multi in draft.multi_values:
        extensions.add_multi(tx, group, post, multi, _encode(multi.values).decode())


def too_much(drafts: tuple[ExtensionDraft, ...]) -> BadBody | None:
    """Why a post cannot bring these along, if it cannot; asked before anything is written."""
    if len(drafts) > MAX_EXTENSIONS:
        return BadBody(f"A post can have at most {MAX_EXTENSIONS} extensions.", target="extensions")
    try:
        for draft in drafts:
            _data(draft)
    except BadBody as refusal:
        return refusal
    return None


def merged(data: dict[str, Any], changes: Any) -> dict[str, Any]:
    """`data` with `changes`: names in any case, null removes, and an annotation goes with the value it told of."""
    found = dict(data)
    spelt = {name.lower(): name for name in found}
    for name in changes:
        if "@" not in name:
            found.pop(spelt.get(f"{name}{_TYPE_OF}".lower(), ""), None)
    for name, value in changes.items():
        known = spelt.get(name.lower(), name)
        if value is None:
            found.pop(known, None)
        else:
            found[known] = value
    present = {name.lower() for name in found}
    return {n: v for n, v in found.items() if "@" not in n or n.partition("@")[0].lower() in present}


def _data(draft: ExtensionDraft) -> str:
    return _text(merged({}, draft.data))


def _text(data: dict[str, Any]) -> str:
    text = _encode(data)
    if len(text) > MAX_BYTES:
        raise BadBody(f"An extension can hold at most {MAX_BYTES} bytes of JSON, not {len(text)}.", target="extensions")
    return text.decode()


def _insert(tx: Tx, group: str, post: str, name: str, data: str) -> str:
    id = tx.new_id()
    tx.run(extensions.ADD, group_id=group, id=id, post_id=post, name=name, folded=name.lower(), data=data)
    return id


def _touch(tx: Tx, standing: Standing, post: Post) -> None:
    version = next_seq(tx, standing.group)
    tx.run(extensions.TOUCH_POST, g=standing.group, item=post.id, new_version=version, new_modified_at=tx.now)


def _record(tx: Tx, standing: Standing, post: Post, kind: Kind, id: str) -> None:
    by = standing.caller.oid
    record(tx, standing.group, by, ("updated", "post", post.id, post.thread), (kind, "extension", id, post.id))
