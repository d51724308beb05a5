package sqliteengine

import "fmt"

// Reservation keeps the name of a database file for this process, as Options.Serve does: no process can begin to serve it.
type Reservation struct {
	// Path is the file's absolute path, without symbolic links.
	Path   string
	helper *helper
}

// Reserve reserves a file, which need not exist and is not created; its folder is. It fails while another process serves
// or restores the file.
func Reserve(name string) (*Reservation, error) {
	err := checkName(name)
	if err != nil {
		return nil, err
	}
	path, err := resolve(name)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: make the database file: %w", err)
	}
	helper, err := openHelperOf(path, true)
	if err != nil {
		return nil, err
	}
	return &Reservation{Path: path, helper: helper}, nil
}

// Close ends a reservation whose file exists.
func (r *Reservation) Close() error { return r.helper.close() }

// Discard ends a reservation whose file was not created, and leaves nothing of it except for the folder.
func (r *Reservation) Discard() error { return r.helper.discard() }
