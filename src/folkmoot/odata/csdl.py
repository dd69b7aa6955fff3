"""`$metadata`: a service's types, what can be done with them, and which clauses each collection takes, as CSDL XML.

Source: OData CSDL XML 4.0; vocabularies Org.OData.Capabilities.V1 and Org.OData.Core.V1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from folkmoot.odata.edm import Complex, Edm, Entity, Enumeration, Field, Type

_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
_CAPABILITIES = "Org.OData.Capabilities.V1"
_CORE = "Org.OData.Core.V1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an action or function."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An action, or with `function` a function, bound to an entity of type `bound` or with `many` a collection."""

    name: str
    bound: str
    many: bool = False
    function: bool = False
    parameters: tuple[Parameter, ...] = ()
    returns: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """What a collection, or a single item, takes. The names are the vocabulary's, in Python's spelling."""

    countable: bool = False
    filterable: bool = False
    non_filterable: tuple[str, ...] = ()
    sortable: bool = False
    non_sortable: tuple[str, ...] = ()
    searchable: bool = False
    expandable: bool = False
    insertable: bool = False
    updatable: bool = False
    deletable: bool = False
    readable: bool = True
    top: bool = False
    skip: bool = False
    tracked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A service. `types` are its entity types by name, bases among them; `sets` and `singletons` lead to them."""

    namespace: str
    alias: str
    container: str
    types: Mapping[str, Entity]
    sets: Mapping[str, str]
    singletons: Mapping[str, str]
    operations: tuple[Operation, ...]
    restrictions: Mapping[str, Restrictions]

    def own(self, entity: Entity) -> tuple[Field, ...]:
        """The properties that an entity type declares itself, and not its base."""
        inherited = {field.name for base in self.bases(entity) for field in base.fields}
        return tuple(field for field in entity.fields if field.name not in inherited)

    def bases(self, entity: Entity) -> list[Entity]:
        """The types that it is derived from, the nearest first."""
        found = []
        while entity.base is not None:
            entity = self.types[entity.base]
            found.append(entity)
        return found

    def values(self) -> dict[str, Complex | Enumeration]:
        """The complex types and enumerations in use, by name."""
        found: dict[str, Complex | Enumeration] = {}

        def look(type: Type) -> None:
            if isinstance(type, (Complex, Enumeration)) and type.name not in found:
                found[type.name] = type
                if isinstance(type, Complex):
                    for field in type.fields:
                        look(field.wire or field.type)

        for entity in self.types.values():
            for field in entity.fields:
                look(field.wire or field.type)
        return dict(sorted(found.items()))

    def type_name(self, type: Type, *, many: bool = False) -> str:
        """How CSDL calls a property's type."""
        name = str(type) if isinstance(type, Edm) else f"{self.alias}.{type.name}"
        return f"Collection({name})" if many else name


def metadata(model: Model) -> bytes:
    """The document."""
    root = Element("edmx:Edmx", {"Version": "4.0", "xmlns:edmx": _EDMX})
    schema = SubElement(
        SubElement(root, "edmx:DataServices"),
        "Schema",
        {"Namespace": model.namespace, "Alias": model.alias, "xmlns": _EDM},
    )
    for value in model.values().values():
        if isinstance(value, Enumeration):
            enum = SubElement(schema, "EnumType", {"Name": value.name})
            for number, member in enumerate(value.members):
                SubElement(enum, "Member", {"Name": member, "Value": str(number)})
        else:
            below = SubElement(schema, "ComplexType", {"Name": value.name, **_flags(OpenType=value.open)})
            for field in value.fields:
                _property(model, below, field)
    for entity in model.types.values():
        _entity(model, schema, entity)
    for operation in model.operations:
        _operation(model, schema, operation)
    container = SubElement(schema, "EntityContainer", {"Name": model.container})
    for kind, leads in (("EntitySet", model.sets), ("Singleton", model.singletons)):
        for name, target in leads.items():
            type = {"EntityType" if kind == "EntitySet" else "Type": f"{model.namespace}.{target}"}
            SubElement(container, kind, {"Name": name, **type})
    for target, restrictions in model.restrictions.items():
        _restrictions(SubElement(schema, "Annotations", {"Target": f"{model.namespace}.{target}"}), restrictions)
    indent(root)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _entity(model: Model, schema: Element, entity: Entity) -> None:
    base = {} if entity.base is None else {"BaseType": f"{model.alias}.{entity.base}"}
    flags = _flags(Abstract=entity.abstract, OpenType=entity.open, HasStream=entity.has_stream)
    element = SubElement(schema, "EntityType", {"Name": entity.name, **base, **flags})
    if entity.base is None:
        SubElement(SubElement(element, "Key"), "PropertyRef", {"Name": "id"})
    for field in model.own(entity):
        _property(model, element, field)
    inherited = {nav.name for base in model.bases(entity) for nav in base.navs}
    for nav in entity.navs:
        if nav.target in model.types and nav.name not in inherited:
            name = f"{model.alias}.{nav.target}"
            type = f"Collection({name})" if nav.many else name
            below = SubElement(
                element,
                "NavigationProperty",
                {"Name": nav.name, "Type": type, **_flags(ContainsTarget=nav.contained)},
            )
            _says(below, nav.says)
    if entity.alternate_keys:
        keys = SubElement(SubElement(element, "Annotation", {"Term": f"{_CORE}.AlternateKeys"}), "Collection")
        for key in entity.alternate_keys:
            record = SubElement(keys, "Record", {"Type": f"{_CORE}.AlternateKey"})
            refs = SubElement(SubElement(record, "PropertyValue", {"Property": "Key"}), "Collection")
            ref = SubElement(refs, "Record", {"Type": f"{_CORE}.PropertyRef"})
            SubElement(ref, "PropertyValue", {"Property": "Alias", "String": key})
            SubElement(ref, "PropertyValue", {"Property": "Name", "PropertyPath": key})
    _says(element, entity.says)


def _property(model: Model, element: Element, field: Field) -> None:
    type = model.type_name(field.wire or field.type, many=field.many)
    null = {} if field.nullable else {"Nullable": "false"}
    _says(SubElement(element, "Property", {"Name": field.name, "Type": type, **null}), field.says)


def _operation(model: Model, schema: Element, operation: Operation) -> None:
    kind = "Function" if operation.function else "Action"
    element = SubElement(schema, kind, {"Name": operation.name, "IsBound": "true"})
    name = f"{model.alias}.{operation.bound}"
    bound = f"Collection({name})" if operation.many else name
    SubElement(element, "Parameter", {"Name": "bindingParameter", "Type": bound})
    for parameter in operation.parameters:
        null = {} if parameter.nullable else {"Nullable": "false"}
        SubElement(element, "Parameter", {"Name": parameter.name, "Type": parameter.type, **null})
    if operation.returns is not None:
        SubElement(element, "ReturnType", {"Type": operation.returns})


# Term → its properties and the fields of `Restrictions` that they tell.
_TERMS: Mapping[str, Mapping[str, str]] = {
    "ChangeTracking": {"Supported": "tracked"},
    "CountRestrictions": {"Countable": "countable"},
    "DeleteRestrictions": {"Deletable": "deletable"},
    "ExpandRestrictions": {"Expandable": "expandable"},
    "FilterRestrictions": {"Filterable": "filterable", "NonFilterableProperties": "non_filterable"},
    "InsertRestrictions": {"Insertable": "insertable"},
    "ReadRestrictions": {"Readable": "readable"},
    "SearchRestrictions": {"Searchable": "searchable"},
    "SkipSupported": {"": "skip"},
    "SortRestrictions": {"Sortable": "sortable", "NonSortableProperties": "non_sortable"},
    "TopSupported": {"": "top"},
    "UpdateRestrictions": {"Updatable": "updatable"},
}


def _restrictions(element: Element, restrictions: Restrictions) -> None:
    told = {field.name: getattr(restrictions, field.name) for field in fields(restrictions)}
    for term, properties in _TERMS.items():
        annotation = SubElement(element, "Annotation", {"Term": f"{_CAPABILITIES}.{term}"})
        if "" in properties:
            annotation.set("Bool", _bool(told[properties[""]]))
            continue
        record = SubElement(annotation, "Record")
        for name, field in properties.items():
            value = told[field]
            if isinstance(value, bool):
                SubElement(record, "PropertyValue", {"Property": name, "Bool": _bool(value)})
            elif value:
                paths = SubElement(SubElement(record, "PropertyValue", {"Property": name}), "Collection")
                for path in value:
                    SubElement(paths, "PropertyPath").text = path


def _says(element: Element, text: str) -> None:
    if text:
        SubElement(element, "Annotation", {"Term": f"{_CORE}.Description", "String": text})


def _flags(**given: bool) -> dict[str, str]:
    return {name: "true" for name, value in given.items() if value}


def _bool(value: bool) -> str:
    return "true" if value else "false"
