"""A part of the protocol's tests once more, on the twin: nothing is different where tables are in parts.

All of them: FOLKMOOT_TEST_TWIN=1 make test ARGS=tests/protocol
"""

from __future__ import annotations

import pytest

from tests.citus import recording
from tests.citus.judging import tables
from tests.harness import Graph, Workshop
from tests.house.test_statements import everything_asked
from tests.protocol import test_attachment_delete, test_conversation_delete, test_group_delete, test_thread_delete
from tests.protocol.rows import EVERYTHING


@pytest.fixture
def graph(workshop: Workshop) -> Graph:
    """A server on a twin, in place of one on each database."""
    return workshop.graph("postgresql", twin=True)


def test_every_row_of_the_surface_works(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    said, note = set[str](), recording._note

    def noting(text: str, parameters: recording.Parameters) -> None:
        said.add(text)
        note(text, parameters)

    monkeypatch.setattr(recording, "_note", noting)
    everything_asked(graph, graph.as_("AdeleV", scopes=EVERYTHING))
    # The recorder would find nothing wrong if it heard nothing.
    assert said <= set(recording.recorded)
    assert len(said) > 150
    assert {"posts", "changes", "sequences", "groups", "users", "blobs"} <= set[str]().union(*map(tables, said))


# Keys that cascade from part to part, and what is copied from one table to another.
for module in (test_attachment_delete, test_conversation_delete, test_group_delete, test_thread_delete):
    globals().update({name: test for name, test in vars(module).items() if name.startswith("test_")})
