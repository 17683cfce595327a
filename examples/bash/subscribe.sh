#!/usr/bin/env bash
# Keeps a subscription to Kraken's private feed, with a new token from Vault for each connection. It logs in by AppRole
# if there is a file role-id, otherwise it uses VAULT_TOKEN. Bash speaks no WebSocket: ../subscribe does that part, and
# gets the options given here. Needs curl and jq.
set -euo pipefail

# vault METHOD PATH [CURL OPTION...] asks Vault. Its token comes to curl by a pipe, so that it is in no process list.
vault() {
  printf 'header = "X-Vault-Token: %s"\n' "$vault_token" |
    curl --silent --show-error --fail-with-body --max-time 60 ${VAULT_CACERT:+--cacert "$VAULT_CACERT"} --config - \
      --request "$1" "${@:3}" "$VAULT_ADDR/v1/$2"
}

log_in() {
  vault_token=${VAULT_TOKEN:-}
  if [[ -f role-id ]]; then
    answer=$(vault POST auth/approle/login --data @<(jq -n --rawfile role_id role-id --rawfile secret_id secret-id \
      '{$role_id, $secret_id} | map_values(rtrimstr("\n"))')) || { echo "$answer" >&2 && return 1; }
    vault_token=$(printf '%s' "$answer" | jq -r .auth.client_token)
  fi
}

# read_token sets answer to what Vault answers: not from the engine's cache if the last token was refused and the policy
# allows that.
read_token() {
  if [[ -n $refused ]] && answer=$(vault POST kraken/ws-token 2>/dev/null); then return; fi
  answer=$(vault GET kraken/ws-token) || { echo "$answer" >&2 && return 1; }
}

follow() {
  log_in && read_token && printf '%s' "$answer" | subscribe -count -1 "$@"
}

exec 3>&1
refused='' delay=1
while true; do
  started=$SECONDS
  error=$(follow "$@" 2>&1 >&3) || true
  echo "$error" >&2
  if [[ $error == *"ESession:Invalid session"* ]]; then refused=yes; else refused=''; fi
  delay=$((2 * delay - (SECONDS - started))) # short after a long connection
  if ((delay < 1)); then delay=1; elif ((delay > 15)); then delay=15; fi
  sleep "$((RANDOM % delay)).$((RANDOM % 10))" # at random, so that many don't come back at once
done
