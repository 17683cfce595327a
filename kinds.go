package krakensecrets

// kinds are the kinds of failures that status, metrics, events and the log tell, with their meaning: those of package kraken, then those of account.KindName.
var kinds = []struct{ name, meaning string }{
	{"invalid_key", "Kraken refuses the API key: EAPI:Invalid key."},
	{"invalid_signature", "Kraken refuses the private key or the second factor: EAPI:Invalid signature."},
	{"permission_denied", "The API key lacks the permission: EGeneral:Permission denied."},
	{"account_refused", "Kraken refuses the Kraken account, not the API key."},
	{"invalid_nonce", "Kraken refuses the nonce, even 10 minutes ahead of the clock: the API key is used elsewhere."},
	{"unexpected", "Kraken answered an error that the engine doesn't know."},
	{"rate_limited", "Kraken, or the network in front of it, says that calls come too fast."},
	{"lockout", "Kraken has locked the API key for a while: EGeneral:Temporary lockout."},
	{"unavailable", "Kraken, or the way to it, is down. Retries failed as well."},
	{"timeout", "No answer came within request_timeout."},
	{"nonsense", "What answered doesn't speak Kraken's API."},
	{"untrusted", "There is no TLS connection that can be trusted: the certificate doesn't verify, above all."},
	{"blocked", "The network in front of Kraken refuses this Vault server's address (HTTP 403 or 451)."},
	{"aborted", "The call was ended before an answer came."},
	{"held_back", "Kraken wasn't asked, so as to keep to its limits: the call counter, a hold-off, or a one-time code that isn't due yet."},
	{"outage", "Kraken wasn't asked: it can't be reached, and another call is finding out whether it is back."},
	{"disabled", "Kraken wasn't asked: the account is disabled."},
	{"place_not_allowed", "Kraken wasn't asked: the mount's option allowed_api_urls doesn't allow the account's api_url."},
	{"key_in_use", "Kraken wasn't asked: the API key belongs to another account of the mount."},
	{"storage", "Vault's storage failed, so Kraken wasn't asked."},
	{"bad_value", "A config write gave a value that isn't allowed."},
	{"too_many_proofs", "A config write wasn't tried, because Kraken refused too many key pairs lately."},
	{"deleted", "A config was deleted while it was being written."},
	{"other", "Anything else."},
}

// kindsHelp lists the kinds.
func kindsHelp() string {
	entries := make([][2]string, len(kinds))
	for i, kind := range kinds {
		entries[i] = [2]string{kind.name, kind.meaning}
	}
	return listHelp(`Kinds of failures. "bad_value", "too_many_proofs" and "deleted" are those of config writes only:`, entries)
}
