package main

import (
	"testing"

	"litellm-gateway/toolchain/internal/contract"
)

func TestServesTheSDK(t *testing.T) {
	differences, absent := contract.Compare(t, "@pulumi/random", contract.Schema(t, info()))
	for _, difference := range differences {
		t.Error(difference)
	}
	if len(absent) > 0 {
		t.Errorf("the plugin lacks %v", absent)
	}
}
