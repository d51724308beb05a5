package dispatch

import (
	"context"

	"github.com/cloud-sessions/sessions/server/turn"
)

// open opens the turn's toolboxes.
func (w *work) open(ctx context.Context) (boxes []turn.Toolbox, err error) {
	for _, open := range w.Tools {
		box, err := open(ctx, w.ref.Session.Account, w.session)
		boxes = append(boxes, box)
		if err != nil {
			return boxes, err
		}
	}
	return boxes, nil
}

// closeAll releases what toolboxes hold.
func closeAll(boxes []turn.Toolbox) {
	for _, box := range boxes {
		if box.Close != nil {
			box.Close()
		}
	}
}
