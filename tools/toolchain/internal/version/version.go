// Package version holds the versions of the npm packages that the plugins serve.
// The linker sets them (-X) from node_modules, so that they are typed in one place
// only, package.json.
package version

var (
	// Docker is the version of @pulumi/docker.
	Docker = "0.0.0"
	// Random is the version of @pulumi/random.
	Random = "0.0.0"
	// Postgresql is the version of @pulumi/postgresql.
	Postgresql = "0.0.0"
)
