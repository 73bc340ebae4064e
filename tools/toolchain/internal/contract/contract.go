// Package contract compares a plugin with the npm SDK that it serves. The SDK is the
// contract: each property that it sends or expects exists in the plugin under the
// same name, and no other; and so does each resource's token.
package contract

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"litellm-gateway/toolchain/internal/strict"
)

// nodeModules is where npm put the SDKs, as seen from a folder below cmd.
const nodeModules = "../../../../node_modules"

var (
	sdkProperty = regexp.MustCompile(`resourceInputs\["(\w+)"\]`)
	sdkToken    = regexp.MustCompile(`__pulumiType = '([^']+)'`)
)

// SDK is what one file of an npm SDK says about a resource.
type SDK struct {
	Token      string
	Properties []string
}

// ReadSDK reads every resource of an npm SDK, by token. It fails where the SDK is not
// installed.
func ReadSDK(t *testing.T, npmPackage string) map[string]SDK {
	t.Helper()
	folder := filepath.Join(nodeModules, filepath.FromSlash(npmPackage))
	files, err := filepath.Glob(filepath.Join(folder, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s is not installed in %s; run: npm ci", npmPackage, folder)
	}
	found := map[string]SDK{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		token := sdkToken.FindSubmatch(source)
		if token == nil {
			continue
		}
		var properties []string
		for _, match := range sdkProperty.FindAllSubmatch(source, -1) {
			properties = append(properties, string(match[1]))
		}
		slices.Sort(properties)
		found[string(token[1])] = SDK{Token: string(token[1]), Properties: slices.Compact(properties)}
	}
	return found
}

// Check fails where a resource of p, or its provider's configuration, differs from
// the SDK. It returns the tokens of the SDK that p does not have.
func Check(t *testing.T, npmPackage string, p tfbridge.ProviderInfo) (absent []string) {
	t.Helper()
	sdk := ReadSDK(t, npmPackage)
	compare(t, sdk[p.Name], p.Name, strict.ConfigProperties(&p))
	delete(sdk, p.Name)
	for name, resource := range p.Resources {
		token := string(resource.Tok)
		compare(t, sdk[token], token, strict.Properties(&p, name))
		delete(sdk, token)
	}
	for token := range sdk {
		absent = append(absent, token)
	}
	slices.Sort(absent)
	return absent
}

func compare(t *testing.T, sdk SDK, token string, plugin []string) {
	t.Helper()
	if sdk.Token == "" {
		t.Errorf("the SDK has no resource %s", token)
		return
	}
	if !slices.Equal(sdk.Properties, plugin) {
		t.Errorf("%s:\nthe SDK has    %v\nthe plugin has %v", token, sdk.Properties, plugin)
	}
}
