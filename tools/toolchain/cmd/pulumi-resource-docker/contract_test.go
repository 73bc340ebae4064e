package main

import (
	"slices"
	"testing"

	"litellm-gateway/toolchain/internal/contract"
)

func TestServesTheSDK(t *testing.T) {
	differences, absent := contract.Compare(t, "@pulumi/docker", contract.Schema(t, info()))
	for _, difference := range differences {
		t.Error(difference)
	}
	// It builds images, with code that is Pulumi's own. The plugin refuses it by name.
	if known := []string{"docker:index/image:Image"}; !slices.Equal(absent, known) {
		t.Errorf("the plugin lacks %v, expected %v", absent, known)
	}
}

// The bridge would name this one networksAdvanceds, and drop what the SDK sends.
func TestFindsAPropertyOfAnotherName(t *testing.T) {
	misnamed := info()
	delete(misnamed.Resources["docker_container"].Fields, "networks_advanced")
	differences, _ := contract.Compare(t, "@pulumi/docker", contract.Schema(t, misnamed))
	for _, expected := range []string{
		"docker:index/container:Container, given: only the SDK has networksAdvanced?[].aliases?[]: string",
		"docker:index/container:Container, given: only the plugin has networksAdvanceds?[].aliases?[]: string",
	} {
		if !slices.Contains(differences, expected) {
			t.Errorf("%q is not among %q", expected, differences)
		}
	}
}
