"""A server that is killed in the middle of an upload: what it acknowledged is there, and the upload goes on."""

from __future__ import annotations

import base64
import json
import socket
import time
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

from tests.faults.clients import AT_ONCE, GROUPS, Running, ask, tokens

SIZE = 6_000_000
FILE = bytes(n % 239 for n in range(SIZE))


def test_an_upload_goes_on_after_a_kill(served: Running) -> None:
    key = tokens(served.data)[0]
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=AT_ONCE)) as connection:
        body = {"topic": "Upload", "threads": [{"posts": [{"body": {"content": "x"}}]}]}
        thread = ask(connection, "POST", f"/groups/{GROUPS[0]}/conversations", key, body).json["threads"][0]["id"]
        path = f"/groups/{GROUPS[0]}/threads/{quote(thread)}/posts"
        post = ask(connection, "GET", path, key).json["value"][0]["id"]
        path = f"{path}/{quote(post)}/attachments"
        item = {"AttachmentItem": {"attachmentType": "file", "name": "large.bin", "size": SIZE}}
        session = ask(connection, "POST", f"{path}/createUploadSession", key, item)
        assert session.status == 201, session.content
        url = urlsplit(session.json["uploadUrl"]).path
    assert put(served.port, url, 0, 2_000_000)[0] == 200
    cut(served, url, 2_000_000)
    served.kill()
    served.start_again()
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=AT_ONCE)) as connection:
        connection.request("GET", url)
        first = int(json.loads(connection.getresponse().read())["nextExpectedRanges"][0].partition("-")[0])
    assert 2_000_000 <= first < SIZE
    assert put(served.port, url, first, SIZE)[0] == 201
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=AT_ONCE)) as connection:
        (found,) = ask(connection, "GET", path, key).json["value"]
    assert base64.b64decode(found["contentBytes"]) == FILE


def put(port: int, url: str, start: int, end: int) -> tuple[int, bytes]:
    """Send the bytes from `start` up to `end`."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=AT_ONCE)) as connection:
        connection.request("PUT", url, FILE[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{SIZE}"})
        with connection.getresponse() as response:
            return response.status, response.read()


def cut(served: Running, url: str, start: int) -> None:
    """Begin to send the rest, and stop in the middle of it once some of it is stored."""
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        head = f"PUT {url} HTTP/1.1\r\nHost: localhost:{served.port}\r\nContent-Length: {SIZE - start}\r\n"
        connection.sendall(f"{head}Content-Range: bytes {start}-{SIZE - 1}/{SIZE}\r\n\r\n".encode())
        connection.sendall(FILE[start : start + 2_500_000])
        deadline = time.monotonic() + AT_ONCE
        with closing(HTTPConnection("127.0.0.1", served.port, timeout=AT_ONCE)) as other:
            while True:
                other.request("GET", url)
                if json.loads(other.getresponse().read())["nextExpectedRanges"] != [f"{start}-{SIZE - 1}"]:
                    return
                assert time.monotonic() < deadline
