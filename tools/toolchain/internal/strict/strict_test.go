package strict

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestRefusesUnknownProperties(t *testing.T) {
	check := checkNames("a:index/thing:Thing", []string{"name", "owner"})
	inputs := resource.PropertyMap{"name": resource.NewStringProperty("n"), "__defaults": resource.NewArrayProperty(nil)}
	if _, err := check(t.Context(), inputs, nil); err != nil {
		t.Errorf("known properties are refused: %v", err)
	}
	inputs["onwer"] = resource.NewStringProperty("o")
	_, err := check(t.Context(), inputs, nil)
	if err == nil || !strings.Contains(err.Error(), `a:index/thing:Thing has no property "onwer"; it has name, owner`) {
		t.Errorf("the error is %v", err)
	}
}
