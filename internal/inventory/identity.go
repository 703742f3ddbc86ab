package inventory

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
)

// NewIdentity makes what a machine keeps for life. There is no RSA key: making
// one is slow, and every client that still asks for it also takes ECDSA.
func NewIdentity(machine string) (Identity, error) {
	id := uuid.New() // machine-id(5): a version 4 UUID without hyphens
	keys := map[string]string{}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err == nil {
		err = addHostKey(keys, "ssh_host_ed25519_key", machine, ed)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("make host key of %q: %w", machine, err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		err = addHostKey(keys, "ssh_host_ecdsa_key", machine, ec)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("make host key of %q: %w", machine, err)
	}
	return Identity{MachineID: hex.EncodeToString(id[:]), HostKeys: keys}, nil
}

// addHostKey adds the private key as file and the public one as file.pub.
func addHostKey(keys map[string]string, file, machine string, key crypto.Signer) error {
	comment := "root@" + machine
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return err
	}
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return err
	}
	line := ssh.MarshalAuthorizedKey(pub)
	keys[file] = string(pem.EncodeToMemory(block))
	keys[file+".pub"] = string(line[:len(line)-1]) + " " + comment + "\n"
	return nil
}
