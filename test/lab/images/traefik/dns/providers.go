// Package dns knows some of the DNS providers that the official program does: with all 190 of them
// it takes minutes longer to build. It has the place of lego's package of the same name.
package dns

import (
	"fmt"

	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/providers/dns/cloudflare"
	"github.com/go-acme/lego/v4/providers/dns/digitalocean"
	"github.com/go-acme/lego/v4/providers/dns/exec"
	"github.com/go-acme/lego/v4/providers/dns/gandiv5"
	"github.com/go-acme/lego/v4/providers/dns/hetzner"
	"github.com/go-acme/lego/v4/providers/dns/httpreq"
	"github.com/go-acme/lego/v4/providers/dns/rfc2136"
	"github.com/go-acme/lego/v4/providers/dns/route53"
)

// NewDNSChallengeProviderByName returns the provider of that name, set up by its environment variables.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	switch name {
	case "cloudflare":
		return cloudflare.NewDNSProvider()
	case "digitalocean":
		return digitalocean.NewDNSProvider()
	case "exec":
		return exec.NewDNSProvider()
	case "gandiv5":
		return gandiv5.NewDNSProvider()
	case "hetzner":
		return hetzner.NewDNSProvider()
	case "httpreq":
		return httpreq.NewDNSProvider()
	case "rfc2136":
		return rfc2136.NewDNSProvider()
	case "route53":
		return route53.NewDNSProvider()
	default:
		return nil, fmt.Errorf("unrecognized DNS provider: %s", name)
	}
}
