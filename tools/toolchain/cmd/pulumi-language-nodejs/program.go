package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// exitAlreadyReported is the exit status by which @pulumi/pulumi's runner says that
// it has printed its error already.
const exitAlreadyReported = 32

// Run runs a program to its end.
func (h *host) Run(ctx context.Context, r *rpc.RunRequest) (*rpc.RunResponse, error) {
	o, err := parseOptions(r.GetInfo())
	if err != nil {
		return nil, err
	}
	environment, err := configEnvironment(r)
	if err != nil {
		return nil, err
	}
	cmd, err := nodeCommand(ctx, r.GetInfo().GetProgramDirectory(), "@pulumi/pulumi/cmd/run", o)
	if err != nil {
		return nil, err
	}
	cmd.Args = append(cmd.Args, h.runnerArgs(r)...)
	cmd.Env = append(cmd.Env, environment...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &rpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == exitAlreadyReported:
		return &rpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit):
		return &rpc.RunResponse{Error: fmt.Sprintf("the program ended with %s", exit)}, nil
	default:
		return &rpc.RunResponse{Error: err.Error()}, nil
	}
}

func (h *host) runnerArgs(r *rpc.RunRequest) []string {
	var args []string
	add := func(name, value string) {
		if value != "" {
			args = append(args, "--"+name, value)
		}
	}
	add("monitor", r.GetMonitorAddress())
	add("engine", h.engine)
	add("organization", r.GetOrganization())
	add("project", r.GetProject())
	add("root-directory", r.GetInfo().GetRootDirectory())
	add("stack", r.GetStack())
	add("pwd", r.GetPwd())
	if r.GetDryRun() {
		args = append(args, "--dry-run")
	}
	add("query-mode", fmt.Sprint(r.GetQueryMode()))
	add("parallel", fmt.Sprint(r.GetParallel()))
	entry := r.GetInfo().GetEntryPoint()
	if entry == "" {
		entry = "."
	}
	return append(append(args, entry), r.GetArgs()...)
}

// configEnvironment hands the stack's configuration to the runner the way it
// expects it: in two variables, its keys written namespace:config:name.
func configEnvironment(r *rpc.RunRequest) ([]string, error) {
	values := make(map[string]string, len(r.GetConfig()))
	for name, value := range r.GetConfig() {
		key, err := config.ParseKey(name)
		if err != nil {
			return nil, err
		}
		values[key.Namespace()+":config:"+key.Name()] = value
	}
	valuesJSON, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	secretKeys := r.GetConfigSecretKeys()
	if secretKeys == nil {
		secretKeys = []string{}
	}
	secretKeysJSON, err := json.Marshal(secretKeys)
	if err != nil {
		return nil, err
	}
	return []string{"PULUMI_CONFIG=" + string(valuesJSON), "PULUMI_CONFIG_SECRET_KEYS=" + string(secretKeysJSON)}, nil
}

// RunPlugin runs a provider plugin written for Node.js until it ends.
func (h *host) RunPlugin(r *rpc.RunPluginRequest, s grpc.ServerStreamingServer[rpc.RunPluginResponse]) error {
	o, err := parseOptions(r.GetInfo())
	if err != nil {
		return err
	}
	streams, stdout, stderr, err := rpcutil.MakeRunPluginStreams(s, false)
	if err != nil {
		return err
	}
	defer streams.Close()
	folder := r.GetInfo().GetProgramDirectory()
	cmd, err := nodeCommand(s.Context(), folder, "@pulumi/pulumi/cmd/run-plugin", o)
	if err != nil {
		return err
	}
	cmd.Args = append(append(cmd.Args, folder), r.GetArgs()...)
	cmd.Env = append(cmd.Env, r.GetEnv()...)
	cmd.Dir = r.GetPwd()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return s.Send(&rpc.RunPluginResponse{
			Output: &rpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())}, //nolint:gosec // a status is small
		})
	}
	if err != nil {
		return err
	}
	return streams.Close()
}

// nodeCommand prepares `node <options> <module>`, the module as seen from folder.
func nodeCommand(ctx context.Context, folder, module string, o options) (*exec.Cmd, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	script, err := resolveModule(ctx, node, folder, module)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, node, append(append([]string{}, o.nodeArgs...), script)...)
	cmd.Dir = folder
	cmd.Env = os.Environ()
	if o.typescript {
		cmd.Env = append(cmd.Env, "PULUMI_NODEJS_TYPESCRIPT=true")
	}
	if o.tsconfig != "" {
		cmd.Env = append(cmd.Env, "PULUMI_NODEJS_TSCONFIG_PATH="+o.tsconfig)
	}
	return cmd, nil
}

func resolveModule(ctx context.Context, node, folder, module string) (string, error) {
	cmd := exec.CommandContext(ctx, node, "-e", "console.log(require.resolve(process.argv[1]))", module)
	cmd.Dir = folder
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s is not installed in %s or above it; run: npm ci", module, folder)
	}
	return strings.TrimSpace(string(path)), nil
}
