package postgresql

import "testing"

func TestSchemasAreConsistent(t *testing.T) {
	if err := New().InternalValidate(); err != nil {
		t.Fatal(err)
	}
}
