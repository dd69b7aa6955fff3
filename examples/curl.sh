#!/bin/sh
# Group conversations with nothing but curl.
#
#   make serve                                   in another terminal
#   PATH="$PWD/.venv/bin:$PATH" examples/curl.sh
set -eu

json() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }

# Where the server is, whom to trust, and a group to talk in.
facts=$(folkmoot lab facts)
url=$(printf %s "$facts" | json "['baseUrl']")
ca=$(printf %s "$facts" | json "['caFile']")
group=$(printf %s "$facts" | json "['groups'][0]['id']")

# as NAME URL [OPTION...]: one request in somebody's name.
as() {
    token=$(folkmoot token --person "$1")
    shift
    curl --silent --show-error --fail-with-body --cacert "$ca" \
        --header "Authorization: Bearer $token" --header "Content-Type: application/json" "$@"
}

# Adele starts a conversation. The answer names it and its thread.
thread=$(as AdeleV "$url/groups/$group/conversations" --data '{
    "topic": "New product launch",
    "threads": [{"posts": [{"body": {"contentType": "html", "content": "<p>Shall we meet on <b>Friday</b>?</p>"}}]}]
}' | json "['threads'][0]['id']")

# Alex replies. The answer is 202 and empty.
as AlexW "$url/groups/$group/threads/$thread/reply" --data '{
    "post": {"body": {"contentType": "text", "content": "Friday suits me."}}
}'

# What was said.
as AdeleV "$url/groups/$group/threads/$thread/posts?\$select=from,body" | python3 -m json.tool --no-ensure-ascii
