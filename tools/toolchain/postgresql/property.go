package postgresql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func requiredString() *schema.Schema { return &schema.Schema{Type: schema.TypeString, Required: true} }
func optionalString() *schema.Schema { return &schema.Schema{Type: schema.TypeString, Optional: true} }
func optionalInt() *schema.Schema    { return &schema.Schema{Type: schema.TypeInt, Optional: true} }
func optionalBool() *schema.Schema   { return &schema.Schema{Type: schema.TypeBool, Optional: true} }

func stringSet() *schema.Schema {
	return &schema.Schema{Type: schema.TypeSet, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}}
}

func stringList() *schema.Schema {
	return &schema.Schema{Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}}
}

func requiredStringSet() *schema.Schema {
	s := stringSet()
	s.Optional, s.Required = false, true
	return s
}

// withDefault is an optional property of the type of value.
func withDefault(value any) *schema.Schema {
	s := &schema.Schema{Optional: true, Default: value}
	switch value.(type) {
	case bool:
		s.Type = schema.TypeBool
	case int:
		s.Type = schema.TypeInt
	default:
		s.Type = schema.TypeString
	}
	return s
}

// computed says that the server decides where the program does not.
func computed(s *schema.Schema) *schema.Schema { s.Computed = true; return s }

// replacing says that a change needs another resource.
func replacing(s *schema.Schema) *schema.Schema { s.ForceNew = true; return s }

func secret(s *schema.Schema) *schema.Schema { s.Sensitive = true; return s }

func deprecated(s *schema.Schema, advice string) *schema.Schema { s.Deprecated = advice; return s }

func withEnvironment(s *schema.Schema, variable string, fallback any) *schema.Schema {
	s.DefaultFunc = schema.EnvDefaultFunc(variable, fallback)
	return s
}

func atLeast(minimum int, s *schema.Schema) *schema.Schema {
	s.ValidateFunc = func(value any, key string) ([]string, []error) {
		if n := value.(int); n < minimum {
			return nil, []error{fmt.Errorf("%s is %d; the least is %d", key, n, minimum)}
		}
		return nil, nil
	}
	return s
}

func withValues(s *schema.Schema, values ...string) *schema.Schema {
	s.ValidateFunc = func(value any, key string) ([]string, []error) {
		if v := value.(string); !slices.Contains(values, v) {
			return nil, []error{fmt.Errorf("%s is %q; it can be %s", key, v, strings.Join(values, ", "))}
		}
		return nil, nil
	}
	return s
}

// refused keeps a property of the official plugin in the schema, unset or false
// only. For a set or list it refuses every element.
func refused(s *schema.Schema) *schema.Schema {
	target := s
	if element, ok := s.Elem.(*schema.Schema); ok {
		target = element
	}
	target.ValidateFunc = func(value any, key string) ([]string, []error) {
		if value == false {
			return nil, nil
		}
		return nil, []error{fmt.Errorf(
			"%s is not supported by the stand-in plugin; where the official one can be downloaded, "+
				"ask for it: LITELLM_GATEWAY_TOOLCHAIN=official npm run pulumi -- version", key)}
	}
	return s
}
