package postgresql

import (
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func privilegeSet(names ...any) *schema.Set { return schema.NewSet(schema.HashString, names) }

func TestWantedPrivileges(t *testing.T) {
	for _, c := range []struct {
		given *schema.Set
		want  []string
	}{
		{privilegeSet("select", "INSERT", "SELECT"), []string{"INSERT", "SELECT"}},
		{privilegeSet("TEMP", "CONNECT"), []string{"CONNECT", "TEMPORARY"}},
		{privilegeSet("ALL", "SELECT"), []string{allPrivileges}},
		{privilegeSet(), nil},
	} {
		if got := wantedPrivileges(c.given); !slices.Equal(got, c.want) {
			t.Errorf("wantedPrivileges(%v) is %v, want %v", c.given.List(), got, c.want)
		}
	}
}

func TestSamePrivileges(t *testing.T) {
	all := []string{"SELECT", "UPDATE", "USAGE"}
	for _, c := range []struct {
		wanted, granted []string
		want            bool
	}{
		{[]string{"SELECT"}, []string{"SELECT"}, true},
		{[]string{"SELECT"}, []string{"SELECT", "USAGE"}, false},
		{[]string{allPrivileges}, all, true},
		{[]string{allPrivileges}, []string{"SELECT"}, false},
		{nil, nil, true},
	} {
		if got := samePrivileges(c.wanted, c.granted, all); got != c.want {
			t.Errorf("samePrivileges(%v, %v) is %t", c.wanted, c.granted, got)
		}
	}
}
