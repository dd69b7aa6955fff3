"""What programs hang on a post, described: open extensions and extended properties."""

from __future__ import annotations

from folkmoot.graph.describe import Property, many, noun, text
from folkmoot.graph.extending import TYPE, folded
from folkmoot.graph.property_ids import parse_property_id
from folkmoot.odata.edm import Field
from folkmoot.refusals import BadClause
from folkmoot.store import schema as s


def _property_key(given: str) -> str:
    """The id of an extended property in the spelling in which it is compared."""
    try:
        return parse_property_id(given).key
    except ValueError as error:
        raise BadClause(f"$filter: {error}.", target="$filter") from None


_e = s.extensions.c
EXTENSION = noun(
    "openTypeExtension",
    s.extensions,
    _e.folded,
    Property(
        Field(
            name="id",
            sql=_e.folded,
            nullable=False,
            sort=False,
            functions="never",
            says=f"{TYPE}. and the extension's name.",
        ),
        (_e.name,),
        lambda _, name: f"{TYPE}.{name}",
    ),
    text("extensionName", _e.name, nullable=False, fold=True, says="The extension's name, unique on its post."),
    dynamic=_e.data,
    reads_text={"id": folded},
    says="Properties that a program keeps with a post, under a name of its own.",
    base="extension",
    open=True,
)

_s = s.single_values.c
SINGLE_VALUE = noun(
    "singleValueLegacyExtendedProperty",
    s.single_values,
    _s.key,
    Property(
        Field(name="id", sql=_s.key, nullable=False, sort=False, functions="never", says="Type, set and name."),
        (_s.given,),
    ),
    Property(
        Field(
            name="value",
            sql=_s.value,
            fold=True,
            start=_s.start,
            whole=_s.whole,
            number=_s.number,
            functions="extended",
            says="The value as text.",
        ),
        (_s.value,),
    ),
    reads_text={"id": _property_key},
    says="An extended property with one value.",
)

_m = s.multi_values.c
MULTI_VALUE = noun(
    "multiValueLegacyExtendedProperty",
    s.multi_values,
    _m.key,
    Property(
        Field(name="id", sql=_m.key, nullable=False, sort=False, functions="never", says="Type, set and name."),
        (_m.given,),
    ),
    many("value", _m.value, says="The values as text."),
    reads_text={"id": _property_key},
    says="An extended property with several values.",
)
