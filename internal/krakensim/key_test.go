package krakensim

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestValidateNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		key  Key
		want string
	}{
		{exampleKey, ""},
		{Key{APISecret: ExampleAPISecret}, "API key"},
		{Key{APIKey: "k", APISecret: "not base64!"}, "base64"},
		{Key{APIKey: "k", APISecret: "AAAA", OTPPassword: "a", TOTPSecret: "b"}, "not both"},
		{Key{APIKey: "k", APISecret: "AAAA", TOTPSecret: "1"}, "base32"},
		{Key{APIKey: "k", APISecret: "AAAA", Tier: "gold"}, "starter"},
		{Key{APIKey: "k", APISecret: "AAAA", DecayStep: -1}, "decay step"},
	} {
		err := test.key.Validate()
		if test.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, test.want)
		assert.NotContains(t, err.Error(), "not base64!")
	}
}
