#!/usr/bin/env bash
# Keeps a subscription to Kraken's private feed, each connection with the token that Vault Agent has in ws-token.json by
# then. This application knows nothing of Vault. ../subscribe speaks WebSocket for it, and gets the options given here.
set -euo pipefail

exec 3>&1
delay=1
while true; do
  started=$SECONDS
  answer=$(<ws-token.json) || { sleep 1 && continue; } # Agent has just started
  error=$(printf '%s' "$answer" | subscribe -count -1 "$@" 2>&1 >&3) || true
  echo "$error" >&2
  if [[ $error == *"ESession:Invalid session"* ]]; then
    while [[ $(<ws-token.json) == "$answer" ]]; do sleep 1; done # this token won't do any more
  fi
  delay=$((2 * delay - (SECONDS - started))) # short after a long connection
  if ((delay < 1)); then delay=1; elif ((delay > 15)); then delay=15; fi
  sleep "$((RANDOM % delay)).$((RANDOM % 10))" # at random, so that many don't come back at once
done
