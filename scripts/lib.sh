# shellcheck shell=bash
# What `make demo` and `make dev` share: a Vault dev server with the plugin, a Kraken, and the set-up of both, told step
# by step. To be sourced; starts nothing by itself. Everything is in one temporary directory, and `clean_up` (on exit,
# however it comes) stops all processes and removes it.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kraken-demo.XXXXXX") # only this user can look into it
started=() # the processes, each the leader of a group of its own
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' green=$'\e[32m' plain=$'\e[0m'; else bold='' green='' plain=''; fi

die() {
  echo "$0: $*" >&2
  exit 1
}

clean_up() {
  trap '' HUP INT TERM
  local pid
  for pid in ${started[@]+"${started[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in ${started[@]+"${started[@]}"}; do
    for _ in {1..100}; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL -- "-$pid" 2>/dev/null || true # Vault, and the plugin that it started, should they hang
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}

# The user's own key pair, if there is one, is out of the environment before anything is started.
api_key=${KRAKEN_API_KEY:-}
(umask 077 && printf '%s' "${KRAKEN_API_SECRET:-}" >"$work/api-secret")
unset KRAKEN_API_KEY KRAKEN_API_SECRET
if [[ -n $api_key && ! -s $work/api-secret || -z $api_key && -s $work/api-secret ]]; then
  die "set both KRAKEN_API_KEY and KRAKEN_API_SECRET to use the real Kraken, or neither for a simulated one"
fi

# start LOG COMMAND... runs a command in the background, in a process group of its own, so that Ctrl-C reaches only this
# script, which then stops it in good order. Its pid is in $!.
start() {
  local log=$1
  shift
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  set +m
  started+=($!)
}

# await SECONDS COMMAND... polls until the command succeeds, and fails when time is up or the process started last ends.
await() {
  local tries=$(($1 * 10)) pid=$!
  shift
  while ((tries-- > 0)); do
    if "$@"; then return 0; fi
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

# step TEXT says what comes next, run COMMAND shows a command and runs it. A token is shown by its beginning only.
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
run() {
  local status=0
  printf '%s$ %s%s\n' "$green" "$1" "$plain"
  eval "$1" >"$work/output" 2>&1 || status=$?
  sed -E 's/^( *"?token"?:? +"?)([^" ]{6})[^" ]{10,}/\1\2.../; s/("token":")([^"]{6})[^"]{10,}/\1\2.../' "$work/output"
  return "$status"
}

# refused TEXT COMMAND: the command must fail, and say so.
refused() {
  if run "$2"; then die "this should have been refused"; fi
  grep -q "$1" "$work/output" || die "this should have failed with: $1"
}

# build puts plugin, simulator and example into the work directory, and finds Vault.
build() {
  step "Building the plugin, and what goes with it"
  vault_bin=$("$project/scripts/vault")
  make -s -C "$project" build OUT="$work/plugins"
  (cd "$project" && go build -o "$work/bin/" ./cmd/kraken-sim ./examples/subscribe)
  ln -s "$vault_bin" "$work/bin/vault"
  export PATH="$work/bin:$PATH"
  echo "$(vault version), $(cd "$work" && plugins/vault-plugin-secrets-kraken -version)"
}

# start_kraken sets api_key, mount_options and config_options (what a simulated Kraken needs of the mount and in the config),
# subscribe_options and control_url, and sees to the file api-secret.
start_kraken() {
  mount_options='' config_options='' subscribe_options='' control_url=''
  if [[ -n $api_key ]]; then
    echo "Kraken: the real one, with your key pair"
    return
  fi
  # The private key is the one that Kraken's documentation gives as an example; it opens nothing.
  api_key=EXAMPLE/KEY/OF/THE/KRAKEN/SIMULATOR/NOT/A/REAL/KEY/00000
  local secret=kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==
  printf '%s\n' "$secret" >"$work/api-secret"
  start "$work/kraken.log" kraken-sim -listen 127.0.0.1:0 -api-key "$api_key" -api-secret "$secret" -tls-ca "$work/kraken-ca.pem"
  await 20 grep -q rest_url "$work/kraken.log" || die "the simulator doesn't start: $(cat "$work/kraken.log")"
  mount_options=" -options=allowed_api_urls=$(kraken_url rest_url)"
  config_options=" api_url=$(kraken_url rest_url) websocket_url=$(kraken_url ws_v2_url) ca_cert=@kraken-ca.pem"
  subscribe_options=" -ca-cert kraken-ca.pem"
  control_url=$(kraken_url control_url)
  echo "Kraken: simulated, at $(kraken_url rest_url)"
}

kraken_url() { sed -n "1s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$work/kraken.log"; }

# start_vault starts a dev server, which keeps everything in memory, and points VAULT_ADDR and VAULT_TOKEN to it.
start_vault() {
  local variable port
  for variable in "${!VAULT_@}"; do unset "$variable"; done # a VAULT_ADDR of the user's points to another server
  for _ in {1..10}; do
    port=$((RANDOM % 20000 + 20000))
    HOME=$work start "$work/vault.log" vault server -dev -dev-no-store-token -dev-listen-address="127.0.0.1:$port" \
      -dev-plugin-dir="$work/plugins" -log-level=trace
    # If the port is taken, Vault ends, and the next one is tried.
    if await 30 grep -q '^Root Token: ' "$work/vault.log"; then break; fi
    grep -q 'address already in use' "$work/vault.log" || break
  done
  VAULT_ADDR=http://127.0.0.1:$port
  VAULT_TOKEN=$(sed -n 's/^Root Token: //p' "$work/vault.log")
  [[ -n $VAULT_TOKEN ]] || die "Vault doesn't start: $(tail -n 20 "$work/vault.log")"
  export VAULT_ADDR VAULT_TOKEN HOME=$work
  echo "Vault:  a dev server at $VAULT_ADDR"
}

# set_up is the operator's part.
set_up() {
  cat >trader.hcl <<'END'
path "kraken/ws-token" {
  capabilities = ["read"]
}
END
  step "The operator enables the engine,"
  run "vault secrets enable -path=kraken$mount_options vault-plugin-secrets-kraken"
  step "stores the key pair, which is proved by getting a token from Kraken,"
  run "vault write kraken/config api_key=$api_key api_secret=@api-secret$config_options" | short_certificate
  step "lets the application read tokens, and nothing else,"
  run "cat trader.hcl"
  run "vault policy write trader trader.hcl"
  step "and hands it the means to log in."
  run "vault auth enable approle"
  run "vault write auth/approle/role/trader token_policies=trader token_ttl=1h"
  run "vault read -field=role_id auth/approle/role/trader/role-id >role-id"
  run "(umask 077; vault write -f -field=secret_id auth/approle/role/trader/secret-id >secret-id)"
}

# short_certificate leaves the first line of a certificate in Vault's output.
short_certificate() {
  sed -e '/-----BEGIN CERTIFICATE-----/{s/$/ .../;p;}' -e '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/d'
}
