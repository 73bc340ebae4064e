package main

import (
	"slices"
	"testing"

	"litellm-gateway/toolchain/internal/contract"
)

func TestServesTheSDK(t *testing.T) {
	differences, absent := contract.Compare(t, "@pulumi/postgresql", contract.Schema(t, info()))
	for _, difference := range differences {
		t.Error(difference)
	}
	// What a gateway has no use for. The engine refuses them by name.
	known := []string{
		"postgresql:index/defaultPrivileg:DefaultPrivileg", // the former name of DefaultPrivileges
		"postgresql:index/function:Function",
		"postgresql:index/getSchemas:getSchemas",
		"postgresql:index/getSequences:getSequences",
		"postgresql:index/getTables:getTables",
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
