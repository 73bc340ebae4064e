// Package contract compares a plugin with the npm SDK that it serves. The typings of
// the SDK are the contract: what a program can give and get has the same name and the
// same type in the plugin, nested properties too, and the plugin has nothing else.
package contract

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// nodeModules is where npm put the SDKs, as seen from a folder below cmd, where a test
// begins.
var nodeModules, _ = filepath.Abs("../../../../node_modules")

var sdkToken = regexp.MustCompile(`(?:__pulumiType = '|runtime\.invoke\(")([\w:/]+)`)

// Compare lists where a resource, a function or the configuration of a plugin differs
// from the SDK, and the tokens of the SDK that the plugin does not have, sorted.
func Compare(t *testing.T, npmPackage string, plugin schema.PackageSpec) (differences, absent []string) {
	t.Helper()
	folder := filepath.Join(nodeModules, filepath.FromSlash(npmPackage))
	tokens := readTokens(t, folder)
	sdk := readTypings(t, folder)
	given, got := shape{types: plugin.Types}, shape{types: plugin.Types, isOutput: true}

	differences = diff(plugin.Name, sdk.lines("ProviderArgs"),
		given.lines(t, plugin.Provider.InputProperties, plugin.Provider.RequiredInputs))
	served := []string{plugin.Name}
	for token, resource := range plugin.Resources {
		name := nameOf(token)
		differences = append(differences, diff(token+", given", sdk.lines(name+"Args"),
			given.lines(t, resource.InputProperties, resource.RequiredInputs))...)
		differences = append(differences, diff(token+", got", sdk.lines(name),
			got.lines(t, resource.Properties, resource.Required))...)
		served = append(served, token)
	}
	for token, function := range plugin.Functions {
		if strings.HasPrefix(token, "pulumi:") {
			continue // the bridge's own
		}
		name := nameOf(token)
		name = strings.ToUpper(name[:1]) + name[1:]
		differences = append(differences, diff(token+", given", sdk.lines(name+"Args"),
			given.lines(t, function.Inputs.Properties, function.Inputs.Required))...)
		differences = append(differences, diff(token+", got", sdk.lines(name+"Result"),
			got.lines(t, function.Outputs.Properties, function.Outputs.Required))...)
		served = append(served, token)
	}
	slices.Sort(differences)
	return differences, without(tokens, served)
}

// readTokens lists the resources and functions of an npm SDK, sorted. It fails where
// the SDK is not installed.
func readTokens(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("there is no npm package in %s; run: npm ci", folder)
	}
	var found []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range sdkToken.FindAllSubmatch(source, -1) {
			found = append(found, string(match[1]))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// nameOf is the last part of a token: the name of its class or function.
func nameOf(token string) string { return token[strings.LastIndex(token, ":")+1:] }

func diff(what string, sdk, plugin []string) []string {
	var differences []string
	for _, line := range without(sdk, plugin) {
		differences = append(differences, what+": only the SDK has "+line)
	}
	for _, line := range without(plugin, sdk) {
		differences = append(differences, what+": only the plugin has "+line)
	}
	return differences
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(some, one) })
}
