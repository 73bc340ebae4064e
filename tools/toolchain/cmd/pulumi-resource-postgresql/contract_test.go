package main

import (
	"slices"
	"testing"

	"litellm-gateway/toolchain/internal/contract"
)

func TestServesTheSDK(t *testing.T) {
	absent := contract.Check(t, "@pulumi/postgresql", info())
	// What a gateway has no use for. The engine refuses them by name.
	known := []string{
		"postgresql:index/defaultPrivileg:DefaultPrivileg", // the former name of DefaultPrivileges
		"postgresql:index/function:Function",
		"postgresql:index/physicalReplicationSlot:PhysicalReplicationSlot",
		"postgresql:index/publication:Publication",
		"postgresql:index/replicationSlot:ReplicationSlot",
		"postgresql:index/securityLabel:SecurityLabel",
		"postgresql:index/server:Server",
		"postgresql:index/subscription:Subscription",
		"postgresql:index/userMapping:UserMapping",
	}
	if !slices.Equal(absent, known) {
		t.Errorf("the plugin lacks %v, expected %v", absent, known)
	}
}
