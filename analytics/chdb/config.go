package chdb

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/shoalcast/shoal/internal/atomicfile"
)

// readerRole is what the read-only user's statements run as. The engine logs everybody
// in as one user, who has both roles and puts one off.
const readerRole = "reader"

// Naming a configuration keeps the engine from reading one that lies about, in the
// working directory or the user's home. Caches are by default sized for a machine of
// their own, and so is the pool of merges: one of a table with distributions takes some
// 300 MB, and of sixteen at once, inserts found no memory left.
const engineConfig = `<clickhouse>
  <users_config>%s</users_config>
  <max_server_memory_usage>%d</max_server_memory_usage>
  <mark_cache_size>%[3]d</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <index_mark_cache_size>%[3]d</index_mark_cache_size>
  <primary_index_cache_size>%[3]d</primary_index_cache_size>
  <mmap_cache_size>64</mmap_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>1</background_merges_mutations_concurrency_ratio>
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
`

const engineUsers = `<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <roles>
    <owner><grants><query>GRANT ALL ON *.*</query></grants></owner>
    <` + readerRole + `><grants><query>GRANT SELECT ON *.*</query></grants></` + readerRole + `>
  </roles>
  <users>
    <default>
      <no_password/>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants><query>GRANT owner, ` + readerRole + `</query></grants>
    </default>
  </users>
</clickhouse>
`

// writeConfig writes the engine's configuration into dir and returns its path.
func writeConfig(dir string, memory int64) (string, error) {
	config, users := filepath.Join(dir, "engine.xml"), filepath.Join(dir, "users.xml")
	if err := atomicfile.Write(users, []byte(engineUsers), 0o600); err != nil {
		return "", fmt.Errorf("write the engine's users: %w", err)
	}
	text := fmt.Sprintf(engineConfig, xmlText(users), memory, memory/32)
	if err := atomicfile.Write(config, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the engine's configuration: %w", err)
	}
	return config, nil
}

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return b.String()
}
