package postgresql

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// operation is one of create, read, update and delete.
type operation func(ctx context.Context, d *schema.ResourceData, s *server) error

// operations of a resource type; update is nil where every change replaces.
type operations struct {
	create, read, update, delete operation
}

// newResource assembles a resource type. What was written is read back, so that
// state holds what the server has; what is gone from the server leaves the state.
func newResource(properties map[string]*schema.Schema, o operations) *schema.Resource {
	readBack := func(write operation) operation {
		return func(ctx context.Context, d *schema.ResourceData, s *server) error {
			if err := write(ctx, d, s); err != nil {
				return err
			}
			return o.read(ctx, d, s)
		}
	}
	r := &schema.Resource{
		Schema:        properties,
		CreateContext: readBack(o.create).diagnose(),
		ReadContext: operation(func(ctx context.Context, d *schema.ResourceData, s *server) error {
			err := o.read(ctx, d, s)
			if isGone(err) {
				d.SetId("")
				return nil
			}
			return err
		}).diagnose(),
		DeleteContext: operation(func(ctx context.Context, d *schema.ResourceData, s *server) error {
			if err := o.delete(ctx, d, s); !isGone(err) {
				return err
			}
			return nil
		}).diagnose(),
		Importer: &schema.ResourceImporter{StateContext: schema.ImportStatePassthroughContext},
	}
	if o.update != nil {
		r.UpdateContext = readBack(o.update).diagnose()
	}
	return r
}

func (o operation) diagnose() func(context.Context, *schema.ResourceData, any) diag.Diagnostics {
	return func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		return diag.FromErr(o(ctx, d, meta.(*server)))
	}
}

func setAll(d *schema.ResourceData, values map[string]any) error {
	for key, value := range values {
		if err := d.Set(key, value); err != nil {
			return err
		}
	}
	return nil
}

func text(d *schema.ResourceData, key string) string { return d.Get(key).(string) }
func flag(d *schema.ResourceData, key string) bool   { return d.Get(key).(bool) }

// texts reads a list or a set, sorted when it is a set.
func texts(value any) []string {
	list, isList := value.([]any)
	if !isList {
		list = value.(*schema.Set).List()
	}
	out := make([]string, 0, len(list))
	for _, element := range list {
		// An empty text in a list comes as nil.
		s, _ := element.(string)
		out = append(out, s)
	}
	if !isList {
		slices.Sort(out)
	}
	return out
}
