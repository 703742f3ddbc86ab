package api

import "context"

func (f *fake) Credentials(_ context.Context, machine string) (Credentials, error) {
	return Credentials{Machine: machine, Portals: []string{"10.0.0.1:3260"}, RootPaths: []string{"iscsi:10.0.0.1:::0:iqn"}, User: "u", Created: born, Held: &born}, f.fault()
}
func (f *fake) NewCredentials(_ context.Context, machine string, r CredentialsRequest) (Credentials, error) {
	return Credentials{Machine: machine, Portals: []string{}, RootPaths: []string{}, User: "u", Secret: "s", Created: born}, f.call("new credentials", machine, r)
}
func (f *fake) RevokeCredentials(_ context.Context, machine string) error {
	return f.call("revoke credentials", machine)
}
