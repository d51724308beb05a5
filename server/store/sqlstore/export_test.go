package sqlstore

// UsePlain makes every transaction commit alone, and every statement go through database/sql.
func (s *Store) UsePlain() { s.db.engine = plain{s.db.write, s.db.read} }
