package main

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/nodejs/npm"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// options are what a project may set under runtime.options in Pulumi.yaml.
type options struct {
	typescript     bool
	tsconfig       string
	nodeArgs       []string
	packageManager npm.PackageManagerType
}

func parseOptions(info *rpc.ProgramInfo) (options, error) {
	parsed := options{typescript: true}
	for name, value := range info.GetOptions().AsMap() {
		switch name {
		case "typescript":
			on, ok := value.(bool)
			if !ok {
				return parsed, fmt.Errorf("runtime option typescript is %v; it takes true or false", value)
			}
			parsed.typescript = on
		case "tsconfig":
			parsed.tsconfig = fmt.Sprint(value)
		case "nodeargs":
			args, err := parseNodeArgs(value)
			if err != nil {
				return parsed, err
			}
			parsed.nodeArgs = args
		case "packagemanager":
			parsed.packageManager = npm.PackageManagerType(fmt.Sprint(value))
		default:
			return parsed, fmt.Errorf(
				"runtime option %s is not supported; there are typescript, tsconfig, nodeargs, packagemanager", name)
		}
	}
	return parsed, nil
}

func parseNodeArgs(value any) ([]string, error) {
	switch value := value.(type) {
	case string:
		return strings.Fields(value), nil
	case []any:
		var args []string
		for _, arg := range value {
			args = append(args, fmt.Sprint(arg))
		}
		return args, nil
	default:
		return nil, fmt.Errorf("runtime option nodeargs is %v; it takes a text or a list of texts", value)
	}
}
