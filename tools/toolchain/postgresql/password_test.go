package postgresql

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The example of RFC 7677.
func TestVerifierFollowsTheStandard(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	got, err := newVerifier("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" +
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPasswordClause(t *testing.T) {
	clause, err := passwordClause("it's secret")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(clause, "secret") || !strings.HasPrefix(clause, "PASSWORD 'SCRAM-SHA-256$4096:") {
		t.Errorf("the clause is %s", clause)
	}
	verifier := strings.Trim(strings.TrimPrefix(clause, "PASSWORD "), "'")
	for password, want := range map[string]bool{"it's secret": true, "its secret": false, verifier: true} {
		if got := passwordMatches(verifier, "anybody", password); got != want {
			t.Errorf("passwordMatches is %t for %q", got, password)
		}
	}
	for _, none := range []string{"", "NULL", "null"} {
		if got, err := passwordClause(none); err != nil || got != "PASSWORD NULL" {
			t.Errorf("passwordClause(%q) is %q, %v", none, got, err)
		}
	}
	const old = "md5c98cbfeb6a347a47eb8e96cfb4c4b890"
	if got, err := passwordClause(old); err != nil || got != "PASSWORD '"+old+"'" {
		t.Errorf("passwordClause(%q) is %q, %v", old, got, err)
	}
}

func TestPasswordMatchesTheOlderFormat(t *testing.T) {
	const stored = "md57f409a7c046daea1c2c60502d7e2becc" // md5("pass" + "user")
	if !passwordMatches(stored, "user", "pass") {
		t.Error("the right password does not match")
	}
	if passwordMatches(stored, "other", "pass") {
		t.Error("another user's password matches")
	}
}
