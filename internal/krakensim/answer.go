package krakensim

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/fault"
)

// answer is what a REST request gets.
type answer = fault.Answer

// object is a JSON object. Its fields come out in alphabetical order, as Kraken's do.
type object = map[string]any

// answerTimeout is how long a client may take to send a request's headers, again to send its body, and again to take in
// the answer.
const answerTimeout = 30 * time.Second

// result is Kraken's answer to a request that succeeded.
func result(value any) answer {
	body, err := json.Marshal(object{"error": []string{}, "result": value})
	if err != nil { // the simulator itself composed the value
		panic("krakensim: " + err.Error())
	}
	return fault.NewAnswer(http.StatusOK, "application/json", body)
}

// refuse is Kraken's answer to a request that failed: HTTP 200 too.
func refuse(refusal error) answer { return fault.KrakenErrors(refusal.Error()) }
