package api

import "context"

func (f *fake) Waiting(context.Context) ([]Waiting, error) {
	return []Waiting{{MAC: "52:54:00:00:00:99", Interface: "br0", Since: born, Seen: born, Like: "pc01", Hardware: Hardware{Serial: "SN9", Memory: 1 << 30}}}, f.fault()
}
func (f *fake) Approve(_ context.Context, mac string, a Approval) (Machine, error) {
	return Machine{Name: a.Name, MACs: []string{mac}, Image: a.Image, Mode: a.Mode}, f.call("approve", mac, a)
}
func (f *fake) Dismiss(_ context.Context, mac string) error { return f.call("dismiss", mac) }

func (f *fake) Simulate(_ context.Context, n NewSimulation) (Simulation, error) {
	return Simulation{ID: "s1", Ticket: "t1", Servers: []string{"10.77.0.1"}, Expires: born, Machines: []SimulatedMachine{{MAC: n.MACs[0], Machine: "pc01", UUID: "u", Image: n.Image}}}, f.call("simulate", n)
}
func (f *fake) Remarks(_ context.Context, id string) ([]string, error) {
	return []string{"OFFER to " + id}, f.fault()
}
func (f *fake) EndSimulation(_ context.Context, id string) error {
	return f.call("end simulation", id)
}
