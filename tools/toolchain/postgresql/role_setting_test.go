package postgresql

import (
	"slices"
	"testing"
)

func TestSearchPathSurvivesTheServer(t *testing.T) {
	for path, want := range map[string][]string{
		"":                           nil,
		`"$user", public`:            {"$user", "public"},
		`app,public`:                 {"app", "public"},
		`"My ""odd"", name", public`: {`My "odd", name`, "public"},
	} {
		got := parseSearchPath(path)
		if !slices.Equal(got, want) {
			t.Errorf("parseSearchPath(%q) is %q, want %q", path, got, want)
		}
		if again := parseSearchPath(formatSearchPath(got)); !slices.Equal(again, want) {
			t.Errorf("%q comes back as %q", want, again)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for value, want := range map[string]int{
		"": 0, "1500": 1500, "30s": 30_000, "2min": 120_000, "1h": 3_600_000, "250ms": 250, "1d": 86_400_000,
	} {
		if got, err := milliseconds(value); err != nil || got != want {
			t.Errorf("milliseconds(%q) is %d, %v; want %d", value, got, err, want)
		}
	}
	if _, err := milliseconds("soon"); err == nil {
		t.Error("a text that is no time is taken for one")
	}
}
