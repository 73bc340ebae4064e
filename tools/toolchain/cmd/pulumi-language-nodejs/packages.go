package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/nodejs/npm"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// GetRequiredPackages names the provider plugins that the npm packages installed
// for a program ask for: those in the node_modules of its folder and of each above.
func (h *host) GetRequiredPackages(
	_ context.Context, r *rpc.GetRequiredPackagesRequest,
) (*rpc.GetRequiredPackagesResponse, error) {
	folder, err := filepath.Abs(r.GetInfo().GetProgramDirectory())
	if err != nil {
		return nil, err
	}
	response := &rpc.GetRequiredPackagesResponse{}
	seen := map[string]bool{}
	for {
		found, err := requiredPackages(filepath.Join(folder, "node_modules"))
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if key := p.GetName() + "@" + p.GetVersion(); !seen[key] {
				seen[key] = true
				response.Packages = append(response.Packages, p)
			}
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return response, nil
		}
		folder = parent
	}
}

func requiredPackages(modules string) ([]*rpc.PackageDependency, error) {
	var found []*rpc.PackageDependency
	for _, pattern := range []string{"*/package.json", "@*/*/package.json"} {
		// Only the last part is a pattern: the folder may contain a bracket.
		files, err := globIn(modules, pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			p, err := requiredPackage(file)
			if err != nil {
				return nil, err
			}
			if p != nil {
				found = append(found, p)
			}
		}
	}
	return found, nil
}

func globIn(folder, pattern string) ([]string, error) {
	escaped := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `*`, `\*`, `?`, `\?`).Replace(folder)
	return filepath.Glob(filepath.Join(escaped, pattern))
}

// requiredPackage is nil for a package.json that asks for no resource plugin.
func requiredPackage(file string) (*rpc.PackageDependency, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Name    string                   `json:"name"`
		Version string                   `json:"version"`
		Pulumi  *plugin.PulumiPluginJSON `json:"pulumi"`
	}
	// Some packages ship broken manifests as test data; none of them is a plugin's.
	if err := json.Unmarshal(text, &manifest); err != nil || manifest.Pulumi == nil || !manifest.Pulumi.Resource {
		return nil, nil
	}
	required := &rpc.PackageDependency{
		Kind:    "resource",
		Name:    manifest.Pulumi.Name,
		Version: manifest.Pulumi.Version,
		Server:  manifest.Pulumi.Server,
	}
	if required.Name == "" {
		required.Name = strings.TrimPrefix(manifest.Name, "@pulumi/")
	}
	if required.Version == "" {
		required.Version = manifest.Version
	}
	required.Version = "v" + strings.TrimPrefix(required.Version, "v")
	if p := manifest.Pulumi.Parameterization; p != nil {
		required.Parameterization = &rpc.PackageParameterization{Name: p.Name, Version: p.Version, Value: p.Value}
	}
	return required, nil
}

// GetProgramDependencies lists a program's npm packages, for `pulumi about`.
func (h *host) GetProgramDependencies(
	ctx context.Context, r *rpc.GetProgramDependenciesRequest,
) (*rpc.GetProgramDependenciesResponse, error) {
	o, err := parseOptions(r.GetInfo())
	if err != nil {
		return nil, err
	}
	folder := r.GetInfo().GetProgramDirectory()
	manager, err := npm.ResolvePackageManager(o.packageManager, folder)
	if err != nil {
		return nil, err
	}
	packages, err := manager.ListPackages(ctx, folder, r.GetTransitiveDependencies())
	if err != nil {
		return nil, err
	}
	response := &rpc.GetProgramDependenciesResponse{}
	for _, p := range packages {
		response.Dependencies = append(response.Dependencies, &rpc.DependencyInfo{Name: p.Name, Version: p.Version})
	}
	return response, nil
}

// InstallDependencies is `pulumi install`.
func (h *host) InstallDependencies(
	r *rpc.InstallDependenciesRequest, s grpc.ServerStreamingServer[rpc.InstallDependenciesResponse],
) error {
	o, err := parseOptions(r.GetInfo())
	if err != nil {
		return err
	}
	streams, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(s, r.GetIsTerminal())
	if err != nil {
		return err
	}
	defer streams.Close()
	folder := r.GetInfo().GetProgramDirectory()
	if _, err := npm.Install(s.Context(), o.packageManager, folder, false, stdout, stderr); err != nil {
		return fmt.Errorf("could not install the npm packages of %s: %w", folder, err)
	}
	return streams.Close()
}
