"""GET groups and GET groups/$count: the groups that the caller may see."""

from __future__ import annotations

from folkmoot import lab
from tests.harness import GROUP, ROOT, Graph, address, iso
from tests.protocol.shapes import well_formed

ROWS = ("GET groups", "GET groups/$count")

DEFAULT = """id deletedDateTime classification createdDateTime description displayName expirationDateTime groupTypes
isAssignableToRole mail mailEnabled mailNickname membershipRule membershipRuleProcessingState onPremisesDomainName
onPremisesLastSyncDateTime onPremisesNetBiosName onPremisesSamAccountName onPremisesSecurityIdentifier
onPremisesSyncEnabled preferredDataLocation preferredLanguage proxyAddresses renewedDateTime resourceBehaviorOptions
resourceProvisioningOptions securityEnabled securityIdentifier theme uniqueName visibility
onPremisesProvisioningErrors"""


def test_it_works(graph: Graph) -> None:
    answer = graph.as_("AlexW").get("/groups")
    well_formed(answer)
    assert answer.json["@odata.context"] == f"{ROOT}/$metadata#groups"
    assert {item["displayName"] for item in answer.value} == {"Sales and Marketing", "Mark 8 Project Team"}
    for item in answer.value:
        assert list(item) == DEFAULT.split()


def test_what_it_says_of_a_group(graph: Graph) -> None:
    found = {item["id"]: item for item in graph.as_app("daemon").get("/groups").value}
    sales = found[GROUP["SalesAndMarketing"]]
    said = {
        "displayName": "Sales and Marketing",
        "description": "Sales and Marketing, seeded for development",
        "mail": address("SalesAndMarketing"),
        "mailNickname": "SalesAndMarketing",
        "mailEnabled": True,
        "securityEnabled": False,
        "groupTypes": ["Unified"],
        "visibility": "Public",
        "proxyAddresses": [f"SMTP:{address('SalesAndMarketing')}"],
        "createdDateTime": iso(graph.clock.now),
        "renewedDateTime": iso(graph.clock.now),
        "deletedDateTime": None,
        "resourceBehaviorOptions": [],
        "resourceProvisioningOptions": [],
        "onPremisesProvisioningErrors": [],
    }
    assert said.items() <= sales.items()
    assert sales["securityIdentifier"].startswith("S-1-12-1-")
    assert all(value is None for name, value in sales.items() if name not in {*said, "id", "securityIdentifier"})
    engineering = found[GROUP["Engineering"]]
    assert (engineering["groupTypes"], engineering["securityEnabled"], engineering["mailEnabled"]) == ([], True, False)


def test_who_sees_which(graph: Graph) -> None:
    """Public ones are for everybody of the organisation; a guest sees those of the own membership."""
    public = {"SalesAndMarketing", "Mark8"}
    for nick, groups in (
        ("AlexW", public),
        ("AdeleV", public | {"Engineering"}),
        ("JoniS", public | {"HR"}),
        ("PattiF", public | {"Leadership"}),
        ("LeeG", public | {"Leadership", "Engineering"}),
        ("guest", {"SalesAndMarketing"}),
        ("admin", set(GROUP)),
    ):
        client = graph.as_(nick)
        assert set(client.get("/groups").ids) == {GROUP[name] for name in groups}, nick
        assert client.get("/groups/$count", ConsistencyLevel="eventual").text == str(len(groups))
    assert set(graph.as_app("daemon").get("/groups").ids) == {group.id for group in lab.GROUPS}


def test_a_filter_finds_nothing_that_may_not_be_seen(graph: Graph) -> None:
    alex = graph.as_("AlexW")
    assert alex.get("/groups?$filter=displayName eq 'Leadership'").value == []
    assert alex.get(f"/groups?$filter=id eq '{GROUP['HR']}'").value == []
    counted = alex.get("/groups/$count?$filter=visibility eq 'Private'", ConsistencyLevel="eventual")
    assert counted.text == "0"


def test_a_deleted_group_is_gone(graph: Graph) -> None:
    adele = graph.as_("AdeleV")
    assert adele.delete(f"/groups/{GROUP['SalesAndMarketing']}").status == 204
    assert GROUP["SalesAndMarketing"] not in adele.get("/groups").ids
    assert GROUP["SalesAndMarketing"] not in graph.as_app("daemon").get("/groups").ids
