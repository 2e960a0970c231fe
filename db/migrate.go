package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"golang.org/x/tools/txtar"
)

// The schema, in steps. It is written once, in the types TEXT, INTEGER, BIGINT
// and BLOB; what the two databases spell differently is spelled by dialect.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings a database up to date. Of several processes that begin at one
// time, one does it.
func migrate(ctx context.Context, dialect goose.Dialect, conn *sql.DB) error {
	steps, err := schema(dialect)
	if err != nil {
		return err
	}
	var options []goose.ProviderOption
	if dialect == goose.DialectPostgres {
		l, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(l))
	}
	p, err := goose.NewProvider(dialect, conn, steps, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// schema is the migrations in a dialect.
func schema(dialect goose.Dialect) (fs.FS, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var a txtar.Archive
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		a.Files = append(a.Files, txtar.File{Name: strings.TrimPrefix(name, "migrations/"), Data: []byte(spell(dialect, string(text)))})
	}
	return txtar.FS(&a)
}

var (
	blob       = regexp.MustCompile(`\bBLOB\b`)
	words      = regexp.MustCompile(`\bTEXT( NOT NULL|,)`)
	appendOnly = regexp.MustCompile(`(?m)^-- append-only (\w+): (.*)$`)
	often      = regexp.MustCompile(`(?m)^-- often changed: (\w+)$`)
	long       = regexp.MustCompile(`(?m)^-- long rows: (\w+)$`)
	clustered  = regexp.MustCompile(`\)\s*WITHOUT ROWID;`)
)

// spell writes a migration in a dialect: BLOB, WITHOUT ROWID, and lines of
// these forms. "-- append-only TABLE: message" makes the database refuse with
// the message to change or delete a row of the table. "-- often changed: TABLE"
// leaves room on PostgreSQL's pages, so that a changed row stays on its own and
// its indexes stay as they are. "-- long rows: TABLE" keeps rows of several
// thousand bytes, packed before, in one piece.
func spell(dialect goose.Dialect, text string) string {
	postgres := dialect == goose.DialectPostgres
	if postgres {
		text = blob.ReplaceAllString(text, "BYTEA")
		text = words.ReplaceAllString(text, `TEXT COLLATE "C"$1`) // sorted by bytes, as SQLite does
		text = clustered.ReplaceAllString(text, ");")
		text = often.ReplaceAllString(text, "ALTER TABLE $1 SET (fillfactor = 60);")
		text = long.ReplaceAllString(text, "ALTER TABLE $1 SET (toast_tuple_target = 8160);")
	}
	return appendOnly.ReplaceAllStringFunc(text, func(line string) string {
		m := appendOnly.FindStringSubmatch(line)
		table, message := m[1], m[2]
		var b strings.Builder
		if postgres {
			fmt.Fprintf(&b, "-- +goose StatementBegin\nCREATE FUNCTION %s_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%s'; END $$;\n-- +goose StatementEnd\n", table, message)
			fmt.Fprintf(&b, "CREATE TRIGGER %[1]s_fixed BEFORE UPDATE OR DELETE ON %[1]s FOR EACH ROW EXECUTE FUNCTION %[1]s_fixed();\n", table)
			fmt.Fprintf(&b, "CREATE TRIGGER %[1]s_fixed_truncate BEFORE TRUNCATE ON %[1]s FOR EACH STATEMENT EXECUTE FUNCTION %[1]s_fixed();", table)
			return b.String()
		}
		for _, act := range []string{"UPDATE", "DELETE"} {
			fmt.Fprintf(&b, "-- +goose StatementBegin\nCREATE TRIGGER %s_fixed_%s BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, '%s'); END;\n-- +goose StatementEnd\n", table, strings.ToLower(act), act, table, message)
		}
		return b.String()
	})
}
