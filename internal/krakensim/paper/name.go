package paper

import "strconv"

// FindClientID returns the open order with the client's id. The error is a [Refusal].
func (a *Account) FindClientID(id string) (Order, error) {
	o := a.byClientID(id)
	if o == nil {
		return Order{}, UnknownOrder
	}
	return o.copy(), nil
}

// Which returns Kraken's id of the order that a request names by that id or by the client's; "" is for a name that isn't given.
// The error is a [Refusal].
func (a *Account) Which(id, clientID string) (string, error) {
	switch {
	case id == "" && clientID == "":
		return "", Invalid("txid")
	case id != "" && clientID != "":
		return "", InvalidArguments
	case id != "":
		return id, nil
	}
	o, err := a.FindClientID(clientID)
	return o.ID, err
}

// Named are the ids for which REST and WebSocket v1 take an id: itself or, if it is a number, those of the open orders with that
// userref.
func (a *Account) Named(id string) []string {
	userref, err := strconv.ParseInt(id, 10, 32)
	if err != nil {
		return []string{id}
	}
	return a.WithUserref(userref)
}

// WithUserref are the ids of the open orders with a userref; none for 0, which orders have that were given none.
func (a *Account) WithUserref(userref int64) (ids []string) {
	for _, o := range a.open {
		if o.Userref == userref && userref != 0 {
			ids = append(ids, o.ID)
		}
	}
	return ids
}
