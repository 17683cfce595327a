package control

// Usage shows every command, by curl. $URL is the server's ControlURL.
const Usage = `Orders rest until they are canceled, or filled on request. Without a quantity
all that is left is filled, without a price at the order's own:

  curl -d '{"order_id": "…", "quantity": 0.1, "price": 20000}' ${URL}fill

REST misbehaves on request, until it is told to behave, or so many times:

  curl -d '{"errors": ["EService:Unavailable"]}' ${URL}misbehave
  curl -d '{"path": "GetWebSocketsToken", "hang": true}' ${URL}misbehave
  curl -d '{"status": 502, "latency": "2s", "times": 3}' ${URL}misbehave
  curl -X POST ${URL}behave

The other parts of a misbehaviour are header, body, content_type, cloudflare,
oversize, drop, truncate, reset, go_away, swallow, refuse and process.

The private REST requests so far, and to forget them:

  curl ${URL}calls
  curl -X DELETE ${URL}calls

To use a nonce up, to add a key or replace it, and to revoke it:

  curl -X PUT -d '{"api_key": "…", "nonce": 1893456000000000000}' ${URL}nonce
  curl -X PUT -d '{"api_key": "…", "api_secret": "…"}' ${URL}key
  curl -X DELETE -d '{"api_key": "…"}' ${URL}key

The other parts of a key are name, permissions (a list), otp_password,
totp_secret, single_use_codes, tier, decay_step ("2s"), camel_case and
valid_until.

To let all WebSocket tokens grow old, to close connections that are idle, and
to cut all WebSockets off:

  curl -X POST ${URL}expire-tokens
  curl -X POST ${URL}close-connections
  curl -X POST ${URL}drop-sockets
`
