package lab

import "testing"

func TestANSI(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"text", "login: ", "login: "},
		{"colour", "[\x1b[0;32m  OK  \x1b[0m] Started", "[  OK  ] Started"},
		{"cursor jumps", "\x1b[01;01HBdsDxe\x1b[02;01Hloading", "\nBdsDxe\nloading"},
		{"empty lines", "a\r\n\r\n\r\nb", "a\nb"},
		{"window title", "\x1b]0;root@pc\x07# ", "# "},
		{"window title, other end", "\x1b]0;root@pc\x1b\\# ", "# "},
		{"character set", "\x1b(Bx\x1b)0y", "xy"},
		{"bracketed paste", "\x1b[?2004h# ", "# "},
		{"backspace and NUL", "a\b\x00b", "ab"},
		{"UTF-8", "Größe", "Größe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var whole ansi
			if got := string(whole.appendText(nil, []byte(tt.in))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			var parts ansi
			var got []byte
			for i := range len(tt.in) {
				got = parts.appendText(got, []byte{tt.in[i]})
			}
			if string(got) != tt.want {
				t.Errorf("byte by byte: got %q, want %q", got, tt.want)
			}
		})
	}
}
