"""What the rest uses to tell operators what happens: one logger."""

from __future__ import annotations

import logging

log = logging.getLogger("folkmoot")
