// Command pulumi-language-nodejs lets the Pulumi engine run Node.js programs and
// provider plugins. It stands in for the official language host of that name, with
// the same gRPC interface (pulumirpc.LanguageRuntime) and the same runtime options.
//
// Not supported: policy packs, project templates' prompts, conversion, packing of
// packages, linking of local packages.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// healthCheckInterval is how often the host asks whether its engine still lives.
const healthCheckInterval = 5 * time.Minute

func main() {
	// The engine passes these two; they mean nothing here.
	flag.String("tracing", "", "ignored")
	flag.String("root", "", "ignored")
	flag.Parse()
	if err := serve(flag.Arg(0)); err != nil {
		cmdutil.Exit(err)
	}
}

// serve answers the engine at address until that engine is gone.
func serve(address string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan bool)
	go func() {
		<-ctx.Done()
		close(stopped)
	}()
	if address != "" {
		if err := rpcutil.Healthcheck(ctx, address, healthCheckInterval, cancel); err != nil {
			return fmt.Errorf("engine at %s: %w", address, err)
		}
	}
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stopped,
		Init: func(s *grpc.Server) error {
			rpc.RegisterLanguageRuntimeServer(s, &host{engine: address})
			return nil
		},
		Options: rpcutil.OpenTracingServerInterceptorOptions(nil),
	})
	if err != nil {
		return err
	}
	// The engine reads the port from the first line.
	fmt.Println(server.Port)
	return <-server.Done
}
