package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// parse reads the command line, then the environment, then the configuration file;
// the first that names a setting wins.
func parse(parser *kong.Kong, args []string) (*kong.Context, error) {
	path, named, err := configPath(args)
	if err != nil {
		return nil, err
	}
	keys, err := loadConfig(path, named)
	if err != nil {
		return nil, err
	}
	if err := knownKeys(parser, path, keys); err != nil {
		return nil, err
	}
	if err := knownVariables(parser, os.Environ()); err != nil {
		return nil, err
	}
	if err := kong.Resolvers(configResolver(path, keys)).Apply(parser); err != nil {
		return nil, fmt.Errorf("apply %s: %w", path, err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return nil, fmt.Errorf("%w (see shoal --help)", err)
	}
	return ctx, nil
}

const defaultConfig = "shoal.yaml"

// configPath finds --config before the rest is parsed, since the rest depends on it.
func configPath(args []string) (path string, named bool, err error) {
	if path, named, err = flagValue(args, "config"); named || err != nil {
		return path, named, err
	}
	if v, ok := os.LookupEnv("SHOAL_CONFIG"); ok {
		return v, true, nil
	}
	return defaultConfig, false, nil
}

// flagValue finds a flag on a command line that has not been parsed.
func flagValue(args []string, name string) (value string, given bool, err error) {
	for i, a := range args {
		if a == "--" {
			break
		}
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return v, true, nil
		}
		if a == "--"+name {
			if i+1 == len(args) {
				return "", true, fmt.Errorf("--%s needs a value", name)
			}
			return args[i+1], true, nil
		}
	}
	return "", false, nil
}

// loadConfig returns the file's keys. A file that nobody named may be missing.
func loadConfig(path string, named bool) (map[string]string, error) {
	k := koanf.New(".")
	err := k.Load(file.Provider(path), yaml.Parser())
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	keys := map[string]string{}
	for _, key := range k.Keys() {
		keys[key] = k.String(key)
	}
	return keys, nil
}

// knownKeys refuses keys that no flag of any command has: a typo must not silently
// leave a default in force.
func knownKeys(parser *kong.Kong, path string, keys map[string]string) error {
	known := map[string]bool{}
	eachFlag(parser.Model.Node, func(f *kong.Flag) { known[f.Name] = true })
	var unknown []string
	for key := range keys {
		if !known[key] || key == "config" || key == "help" {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	sort.Strings(unknown)
	return fmt.Errorf("unknown key %q in %s: keys are the long flags of `shoal up --help` without their dashes", unknown[0], path)
}

// eachFlag calls fn with every flag of a command and of those below it.
func eachFlag(n *kong.Node, fn func(*kong.Flag)) {
	for _, f := range n.Flags {
		fn(f)
	}
	for _, c := range n.Children {
		eachFlag(c, fn)
	}
}

const envPrefix = "SHOAL"

// othersVariables begin with our prefix and set no flag: the first tells tests to take
// their time, the second set-up and tests where ClickHouse's library is; the others,
// Kubernetes sets for a service that is called shoal.
var othersVariables = regexp.MustCompile(`^SHOAL_(SOAK|CHDB|SERVICE_(HOST|PORT.*)|PORT(_.*)?)$`)

// knownVariables refuses SHOAL_… variables that set nothing, as knownKeys does keys.
func knownVariables(parser *kong.Kong, environ []string) error {
	known := map[string]bool{}
	eachFlag(parser.Model.Node, func(f *kong.Flag) {
		for _, name := range f.Envs {
			known[name] = true
		}
	})
	var unknown []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix+"_") && !known[name] && !othersVariables.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("unknown environment variable %s: they are the long flags of `shoal up --help`, such as SHOAL_LOG_LEVEL", slices.Min(unknown))
}

// configResolver offers the file's values to flags that neither the command line nor
// the environment set.
func configResolver(path string, keys map[string]string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		v, ok := keys[flag.Name]
		if !ok {
			return nil, nil
		}
		for _, name := range flag.Envs {
			if _, set := os.LookupEnv(name); set {
				return nil, nil
			}
		}
		return v, nil
	})
}
