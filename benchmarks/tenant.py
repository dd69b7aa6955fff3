"""Who is there and what is said in the benchmarks: plain constants, so that the floor imports nothing of the server.

`fill` makes sure that the people and groups are those of the development tenant.
"""

from __future__ import annotations

GROUP = "29981b6a-0e57-42dc-94c9-cd24f5306196"
GROUP_NAME = "Sales and Marketing"
GROUP_ADDRESS = "SalesAndMarketing@contoso.onmicrosoft.com"

PERSON = "87d349ed-44d7-43e1-9a83-5f2406dee5bd"
PERSON_NAME = "Adele Vance"
PERSON_ADDRESS = "AdeleV@contoso.onmicrosoft.com"

# A kilobyte of markup that the server keeps as it is; `PREVIEW` is the server's preview of it.
_WORDS = (
    "The launch is on Friday, and the three things that still need an owner are the pricing page, the recorded "
    "walkthrough and the answers to what the pilot customers asked last week."
)
CONTENT = "".join(f"<p>{number}. {_WORDS} <b>Who takes it?</b></p>" for number in range(1, 6))
PREVIEW = " ".join(f"{number}. {_WORDS} Who takes it?" for number in range(1, 6))[:242]
TOPIC = "The launch"

# What the filled database holds besides: a number in each post, and this word in each thousandth.
RARE = "walrus"


def content(number: int) -> str:
    """The body of post `number` of the filled database."""
    return f"{CONTENT}<p>Ticket {number}{f', {RARE}' if number % 1000 == 0 else ''}.</p>"
