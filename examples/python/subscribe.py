#!/usr/bin/python3
"""Keeps a subscription to Kraken's private feed, with a new token from Vault for each connection. It logs in by AppRole
if there is a file role-id, otherwise it uses VAULT_TOKEN."""

import asyncio
import json
import random
import sys
import time
from pathlib import Path

import hvac
import websockets


class Refused(Exception):
    """Kraken's words for why it refuses a subscription."""


def read_token(stale):
    vault = hvac.Client(timeout=60)  # at VAULT_ADDR
    if Path("role-id").exists():
        role_id, secret_id = (Path(name).read_text().strip() for name in ("role-id", "secret-id"))
        vault.auth.approle.login(role_id=role_id, secret_id=secret_id)
    if stale:  # then not from the engine's cache, if the policy allows
        try:
            return vault.write("kraken/ws-token")["data"]
        except hvac.exceptions.VaultError:
            pass
    return vault.read("kraken/ws-token")["data"]


async def follow(secret):
    async with websockets.connect(secret["websocket_url"], max_size=2**24) as connection:
        params = {"channel": "executions", "token": secret["token"]}
        await connection.send(json.dumps({"method": "subscribe", "params": params}))
        while True:
            text = await asyncio.wait_for(connection.recv(), 30)  # Kraken sends a heartbeat every second
            message = json.loads(text)
            if "error" in message:
                raise Refused(message["error"])
            if message.get("method") == "subscribe" or message.get("channel") == "executions":
                print(text, flush=True)


wait, stale = 1, False
while True:
    started = time.monotonic()
    try:
        asyncio.run(follow(read_token(stale)))
    except Exception as error:  # whatever it is, the next try may do better
        stale = "ESession:Invalid session" in str(error)
        print(repr(error), file=sys.stderr, flush=True)
    wait = max(1, min(2 * wait - (time.monotonic() - started), 15))  # short after a long connection
    time.sleep(random.uniform(0, wait))  # at random, so that many don't come back at once
