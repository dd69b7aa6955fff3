"""How many requests are made up; set by the options in `conftest`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

examples: int | None = None
steps: int | None = None


def bounded(usual: int, usual_steps: int = 50) -> settings:
    """Settings for tests that make up `usual` examples of `usual_steps`, unless told otherwise."""
    return settings(
        derandomize=examples is None,
        database=None,
        deadline=None,
        max_examples=examples or usual,
        stateful_step_count=steps or usual_steps,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
