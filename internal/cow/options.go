package cow

import (
	"errors"
	"fmt"
)

var errVolatileThrough = errors.New("a volatile volume cannot be write-through: it is never synced")

// SetLimit changes how many bytes count for a volume at most, 0 for no limit,
// also while it is open. A limit below what it has stops new blocks only.
func (e *Engine) SetLimit(id string, limit int64) error {
	return e.setOption(id, "limit", func(m *volumeMeta) error {
		if limit < 0 {
			return fmt.Errorf("limit of %d bytes", limit)
		}
		m.Limit = limit
		return nil
	})
}

// SetWriteThrough says whether every change of a volume is made durable
// before it is acknowledged, from now on, also while it is open. What was
// acknowledged before is made durable first.
func (e *Engine) SetWriteThrough(id string, on bool) error {
	return e.setOption(id, "write-through", func(m *volumeMeta) error {
		if on && m.Volatile {
			return errVolatileThrough
		}
		m.WriteThrough = on
		return nil
	})
}

func (e *Engine) setOption(id, what string, change func(*volumeMeta) error) error {
	s, done, err := e.edit(id)
	if err != nil {
		return err
	}
	defer done()
	m := s.meta
	err = change(&m)
	if err == nil && s.open != nil {
		err = s.open.adjust(&m)
	}
	if err == nil {
		err = e.putMeta(s, m)
	}
	if err != nil {
		if s.open != nil {
			err = s.open.failIfUnsettled(err)
			_ = s.open.adjust(&s.meta)
		}
		return fmt.Errorf("set %s of volume %q: %w", what, id, err)
	}
	return nil
}

// adjust takes over what may change while the volume is open.
func (v *Volume) adjust(m *volumeMeta) error {
	v.limit.Store(m.Limit)
	if v.writeThrough.Swap(m.WriteThrough) || !m.WriteThrough {
		return nil
	}
	return v.Flush()
}
