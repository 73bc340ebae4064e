package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	pkgplugin "github.com/pulumi/pulumi/pkg/v3/resource/plugin"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GeneratePackage writes a Node.js SDK for a schema (`pulumi package gen-sdk`).
func (h *host) GeneratePackage(
	_ context.Context, r *rpc.GeneratePackageRequest,
) (*rpc.GeneratePackageResponse, error) {
	loader, err := schema.NewLoaderClient(r.GetLoaderTarget())
	if err != nil {
		return nil, err
	}
	cached := schema.NewCachedLoader(loader)
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(r.GetSchema()), &spec); err != nil {
		return nil, err
	}
	pkg, problems, err := schema.BindSpec(spec, cached, schema.ValidationOptions{AllowDanglingReferences: true})
	if err != nil {
		return nil, err
	}
	response := &rpc.GeneratePackageResponse{Diagnostics: pkgplugin.HclDiagnosticsToRPCDiagnostics(problems)}
	if problems.HasErrors() {
		return response, nil
	}
	files, err := nodejs.GeneratePackage(
		"pulumi-language-nodejs", pkg, r.GetExtraFiles(), r.GetLocalDependencies(), r.GetLocal(), cached)
	if err != nil {
		return nil, err
	}
	for name, text := range files {
		path := filepath.Join(r.GetDirectory(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // generated code, not a secret
			return nil, err
		}
	}
	return response, nil
}
