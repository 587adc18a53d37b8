package dash

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/shoalcast/shoal/internal/atomicfile"
)

// shortest is the fewest characters that a token has that a person chose.
const shortest = 16

// Token returns what the file at path says is to be typed to see the dashboard. Where there is none, it makes one, and says so.
func Token(path string) (token string, made bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		token = strings.ToLower(rand.Text())
		if err := atomicfile.Write(path, []byte(token+"\n"), 0o600); err != nil {
			return "", false, fmt.Errorf("write the dashboard's token: %w", err)
		}
		return token, true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read the dashboard's token: %w", err)
	}
	if token = strings.TrimSpace(string(text)); len(token) < shortest {
		return "", false, fmt.Errorf("the dashboard's token in %s has fewer than %d characters: write a longer one there, or remove the file, and the next start makes one", path, shortest)
	}
	return token, false, nil
}
