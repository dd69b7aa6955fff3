"""Group conversations with the published Python SDK.

    make serve                                          in another terminal
    pip install msgraph-sdk azure-identity
    PATH="$PWD/.venv/bin:$PATH" python examples/python_sdk.py

What is said of localhost, the authority and the CA is all that differs from a program that talks to Microsoft 365.
"""

import asyncio
import json
import os
import subprocess

from azure.identity import InteractiveBrowserCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.groups.item.threads.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.conversation import Conversation
from msgraph.generated.models.conversation_thread import ConversationThread
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.post import Post

# Where the server is, whom to trust, and a group to talk in.
FACTS = json.loads(subprocess.check_output(["folkmoot", "lab", "facts"]))
GROUP = FACTS["groups"][0]["id"]
os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = FACTS["caFile"]


def connect() -> GraphServiceClient:
    """A client for whoever signs in with the browser that opens."""
    credential = InteractiveBrowserCredential(
        client_id=FACTS["applications"]["publicClient"]["clientId"],
        tenant_id=FACTS["tenant"]["id"],
        authority=FACTS["httpsUrl"],
        disable_instance_discovery=True,
    )
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=["https://graph.microsoft.com/.default"], allowed_hosts=["localhost"]
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = FACTS["baseUrl"]
    return GraphServiceClient(request_adapter=adapter)


def post(kind: BodyType, content: str) -> Post:
    """Something to say."""
    return Post(body=ItemBody(content_type=kind, content=content))


async def main() -> None:
    """Start a conversation, reply, and list what was said."""
    group = connect().groups.by_group_id(GROUP)

    opening = post(BodyType.Html, "<p>Shall we meet on <b>Friday</b>?</p>")
    conversation = await group.conversations.post(
        Conversation(topic="New product launch", threads=[ConversationThread(posts=[opening])])
    )
    thread = group.threads.by_conversation_thread_id(conversation.threads[0].id)

    await thread.reply.post(ReplyPostRequestBody(post=post(BodyType.Text, "Friday suits me.")))

    for each in (await thread.posts.get()).value:
        print(f"{each.sender.email_address.name}: {each.body.content}")


asyncio.run(main())
