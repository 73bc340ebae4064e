package postgresql

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // PostgreSQL's older password format, read only
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/secure/precis"
)

// scramIterations and scramSaltLength are the server's own defaults.
const (
	scramIterations = 4096
	scramSaltLength = 16
)

// scramVerifier is what PostgreSQL keeps of a password: iterations, salt, stored
// key, server key.
var scramVerifier = regexp.MustCompile(`^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$`)

var md5Verifier = regexp.MustCompile(`^md5[0-9a-f]{32}$`)

// passwordClause sets a password by its verifier, so that neither the server nor
// its log ever sees the password itself. A password that is a verifier already
// passes through; "" and NULL remove it.
func passwordClause(password string) (string, error) {
	switch {
	case removesPassword(password):
		return "PASSWORD NULL", nil
	case isVerifier(password):
		return "PASSWORD " + literal(password), nil
	}
	salt := make([]byte, scramSaltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	verifier, err := newVerifier(password, salt, scramIterations)
	if err != nil {
		return "", err
	}
	return "PASSWORD " + literal(verifier), nil
}

func removesPassword(password string) bool {
	return password == "" || strings.EqualFold(password, "NULL")
}

func isVerifier(password string) bool {
	return scramVerifier.MatchString(password) || md5Verifier.MatchString(password)
}

func newVerifier(password string, salt []byte, iterations int) (string, error) {
	// Like the server: a password that cannot be normalised is taken as it is.
	if normalised, err := precis.OpaqueString.String(password); err == nil {
		password = normalised
	}
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	sign := func(message string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(message))
		return mac.Sum(nil)
	}
	storedKey := sha256.Sum256(sign("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s",
		iterations, encode(salt), encode(storedKey[:]), encode(sign("Server Key"))), nil
}

// passwordMatches says whether stored, the server's verifier for user, is that of
// password.
func passwordMatches(stored, user, password string) bool {
	if subtle.ConstantTimeCompare([]byte(stored), []byte(password)) == 1 {
		return true
	}
	if md5Verifier.MatchString(stored) {
		sum := md5.Sum([]byte(password + user)) //nolint:gosec // the server's format
		return stored == "md5"+hex.EncodeToString(sum[:])
	}
	parts := scramVerifier.FindStringSubmatch(stored)
	if parts == nil {
		return false
	}
	iterations, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	expected, err := newVerifier(password, salt, iterations)
	return err == nil && subtle.ConstantTimeCompare([]byte(expected), []byte(stored)) == 1
}
