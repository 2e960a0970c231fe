package db

import (
	"fmt"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite makes a statement's plan anew when values bound to it change, if the
// plan might profit from knowing them: as often as not, for statements with an
// ORDER BY or ON CONFLICT. Planning costs many times what running them does,
// and plans must not depend on values: every connection is told so.
func init() {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := sqlite3.Xsqlite3_auto_extension(tls, *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, uintptr, uintptr) int32
	}{stablePlans}))); rc != sqlite3.SQLITE_OK {
		panic(fmt.Sprintf("db: SQLite refuses stable plans: %d", rc))
	}
}

// stablePlans turns on SQLite's query planner stability guarantee on a new
// connection.
func stablePlans(tls *libc.TLS, conn, _, _ uintptr) int32 {
	args := libc.NewVaList(int32(1), uintptr(0))
	defer libc.Xfree(tls, args)
	return sqlite3.Xsqlite3_db_config(tls, conn, sqlite3.SQLITE_DBCONFIG_ENABLE_QPSG, args)
}
