"""Run by `test_migrating` with the code of another release: a day in a group, and what was answered to each request.

python a_day.py SOURCE DATA DATABASE      prints the schema that the code was made for, then statuses and a count
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any


async def a_day(data: Path, database: str) -> list[object]:
    """What is answered, in order. Only what every release has is used."""
    import httpx

    from folkmoot import app, lab
    from folkmoot.config import Settings
    from folkmoot.store import migrate
    from folkmoot.store.postgres import PostgresStore
    from folkmoot.store.sqlite import SqliteStore
    from tests.tokens import token

    settings = Settings(data=str(data))
    store: Any = (
        PostgresStore(database, time.time)
        if database.startswith("postgresql:")
        else SqliteStore(Path(database), time.time)
    )
    await lab.seed(store, settings)
    transport = httpx.ASGITransport(app.build(settings, store))
    headers = {"Authorization": f"Bearer {token(settings, lab.PEOPLE[0])}"}
    post = {"body": {"contentType": "text", "content": "Hello"}}
    answers: list[object] = [migrate.HEAD]
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost:8443/v1.0", headers=headers) as http:
        group = f"/groups/{lab.GROUPS[0].id}"
        made = await http.post(f"{group}/conversations", json={"topic": "Day", "threads": [{"posts": [post]}]})
        answers.append(made.status_code)
        thread = f"{group}/threads/{made.json()['threads'][0]['id']}"
        answers.append((await http.post(f"{thread}/reply", json={"post": post})).status_code)
        first = (await http.get(f"{thread}/posts")).json()["value"][0]["id"]
        file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentBytes": "SGVsbG8="}
        answers.append((await http.post(f"{thread}/posts/{first}/attachments", json=file)).status_code)
        answers.append((await http.patch(thread, json={"topic": "Night"})).status_code)
        listed = await http.get(f"{thread}/posts", params={"$filter": "receivedDateTime ge 2020-01-01T00:00:00Z"})
        answers.append(len(listed.json()["value"]))
        answers.append((await http.delete(thread)).status_code)
        answers.append((await http.get(thread)).status_code)
    store.close()
    return answers


if __name__ == "__main__":
    source, where, place = sys.argv[1:]
    sys.path[:0] = [source, str(Path(__file__).parents[2])]
    Path(where).mkdir()
    print(*asyncio.run(a_day(Path(where), place)))
