package postgresql

import (
	"strconv"
	"strings"
	"time"
)

// formatSearchPath writes a search path as SQL.
func formatSearchPath(schemas []string) string {
	var quoted []string
	for _, s := range schemas {
		quoted = append(quoted, identifier(s))
	}
	return strings.Join(quoted, ", ")
}

// parseSearchPath reads a search path as the server keeps it: names separated by a
// comma, quoted where need be.
func parseSearchPath(path string) []string {
	var schemas []string
	var name strings.Builder
	quoted := false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '"' && quoted && i+1 < len(path) && path[i+1] == '"':
			name.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			schemas = append(schemas, name.String())
			name.Reset()
		case c == ' ' && !quoted:
		default:
			name.WriteByte(c)
		}
	}
	if name.Len() > 0 {
		schemas = append(schemas, name.String())
	}
	return schemas
}

// milliseconds reads a timeout as the server keeps it: a bare number, or one with
// a unit where somebody set it by hand.
func milliseconds(value string) (int, error) {
	if value == "" {
		return 0, nil
	}
	if n, err := strconv.Atoi(value); err == nil {
		return n, nil
	}
	unit := strings.NewReplacer("min", "m", " ", "").Replace(value)
	if days, isDays := strings.CutSuffix(unit, "d"); isDays {
		n, err := strconv.Atoi(days)
		return n * 24 * int(time.Hour/time.Millisecond), err
	}
	duration, err := time.ParseDuration(unit)
	return int(duration.Milliseconds()), err
}
