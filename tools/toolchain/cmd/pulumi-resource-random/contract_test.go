package main

import (
	"testing"

	"litellm-gateway/toolchain/internal/contract"
)

func TestServesTheSDK(t *testing.T) {
	if absent := contract.Check(t, "@pulumi/random", info()); len(absent) > 0 {
		t.Errorf("the plugin lacks %v", absent)
	}
}
