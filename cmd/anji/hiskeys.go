package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/his/keyring"
	"github.com/anji-platform/anji/server"
)

func hisKeysCommand() *cobra.Command {
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Keys by which providers sign and encrypt their messages (报文密钥)",
		Long: `Makes, lists and revokes the keys by which a provider's system proves its
messages. How they are used, with test vectors: docs/his-security.md.`,
	}
	keys.AddCommand(newKeysCommand(), listKeysCommand(), revokeKeysCommand())
	return keys
}

// keyFlags are the flags of every command on keys.
type keyFlags struct{ data, db, provider, by string }

func (f *keyFlags) add(cmd *cobra.Command, changes bool) {
	cmd.Flags().StringVar(&f.data, "data", "", "folder of the data and its keys (needed)")
	cmd.Flags().StringVar(&f.db, "db", "", "location of the database (default: anji.db in the folder)")
	cmd.Flags().StringVar(&f.provider, "provider", "", "code of the provider, such as H99010000101")
	needed := []string{"data"}
	if changes {
		cmd.Flags().StringVar(&f.by, "by", "", "who does it, for the audit record (needed)")
		needed = append(needed, "provider", "by")
	}
	for _, name := range needed {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
}

// open opens the data folder for do, and closes it.
func (f *keyFlags) open(ctx context.Context, do func(*db.DB, *keyring.Ring, *gm.Signer) error) (err error) {
	path := filepath.Join(f.data, "key")
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("--data %q holds no data of Anji: %w", f.data, err)
	}
	sealer, err := gm.LoadOrCreateKey(path)
	if err != nil {
		return err
	}
	signer, err := gm.LoadOrCreateSigner(filepath.Join(f.data, server.SignerFile))
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, location(f.data, f.db))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return do(d, keyring.New(sealer), signer)
}

// keyTimeLayout is the form of times on the command line.
const keyTimeLayout = time.DateTime

func parseKeyTime(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(keyTimeLayout, s, time.Local)
	if err != nil {
		return t, fmt.Errorf("--%s %q: want a time such as 2025-06-01 08:00:00", flag, s)
	}
	return t, nil
}

func newKeysCommand() *cobra.Command {
	var f keyFlags
	var opts struct {
		mode, public, gateway, from, to string
		window, overlap                 time.Duration
	}
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make new keys for a provider, and print what its system's maker needs",
		Long: `Makes new keys for a provider and prints, once, what to hand to the maker of its
system. Of keys it had before, the newest remain valid for the overlap.

  --mode none     nothing is signed: for a gateway only, or to free one provider
  --mode digest   an SM3 digest with the secret (signtype SM3)
  --mode sign     an SM2 signature (signtype SM2)
  --mode encrypt  an SM2 signature, and input and output encrypted with SM4

For sign and encrypt the maker gives the public key of a pair of its own
(--public-key, or @ and the name of a file). Without it a pair is made here and
its private key printed; Anji does not keep it.`,
		Example: `  anji his keys new --data ./anji-data --provider H99010000101 --mode sign --public-key @his.pub --by 管理员
  anji his keys new --data ./anji-data --provider H99010000101 --mode encrypt --gateway tif --overlap 168h --by 管理员`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			q := keyring.IssueRequest{Provider: f.provider, Window: opts.window, Overlap: opts.overlap, At: time.Now(), Actor: f.by}
			var errs [4]error
			q.Mode, errs[0] = keyring.ParseMode(opts.mode)
			q.Gateway, errs[1] = keyring.ParseGateway(opts.gateway)
			q.From, errs[2] = parseKeyTime("from", opts.from)
			q.To, errs[3] = parseKeyTime("to", opts.to)
			if err := errors.Join(errs[:]...); err != nil {
				return err
			}
			var pair *gm.Signer
			switch {
			case opts.public != "":
				text := opts.public
				if name, ok := strings.CutPrefix(text, "@"); ok {
					b, err := os.ReadFile(name)
					if err != nil {
						return err
					}
					text = string(b)
				}
				var err error
				if q.Public, err = gm.ParsePublicKey(text); err != nil {
					return fmt.Errorf("--public-key: %w", err)
				}
			case q.Mode.Signs():
				var err error
				if pair, err = gm.NewSigner(); err != nil {
					return err
				}
				q.Public = pair.Public()
			}
			return f.open(ctx, func(d *db.DB, ring *keyring.Ring, signer *gm.Signer) error {
				var k keyring.Key
				var all []keyring.Key
				err := d.Update(ctx, func(tx *db.Tx) (err error) {
					if k, err = ring.Issue(ctx, tx, q); err != nil {
						return err
					}
					all, err = ring.Of(ctx, tx, f.provider)
					return err
				})
				if err != nil {
					return err
				}
				return printNewKeys(cmd.OutOrStdout(), k, all, pair, signer)
			})
		},
	}
	f.add(cmd, true)
	fl := cmd.Flags()
	fl.StringVar(&opts.mode, "mode", string(keyring.Sign), "none, digest, sign or encrypt")
	fl.StringVar(&opts.public, "public-key", "", "the provider's SM2 public key: hexadecimal, Base64, PEM, or @file (default: a pair is made)")
	fl.StringVar(&opts.gateway, "gateway", "", "headers to ask for as a gateway does: csb, tif or apikey (default: none)")
	fl.StringVar(&opts.from, "from", "", "valid from, such as \"2025-06-01 08:00:00\" (default: now)")
	fl.StringVar(&opts.to, "to", "", "valid until (default: without end)")
	fl.DurationVar(&opts.window, "window", keyring.DefaultWindow, "how far a signed message's time may be from the server's")
	fl.DurationVar(&opts.overlap, "overlap", 7*24*time.Hour, "how long the keys before remain valid; 0s ends them")
	return cmd
}

// printNewKeys prints what the maker of a provider's system needs.
func printNewKeys(w io.Writer, k keyring.Key, all []keyring.Key, pair, platform *gm.Signer) error {
	rows := [][]string{
		{"机构 provider", k.Provider}, {"密钥编号 number", strconv.Itoa(k.Number)}, {"方式 mode", string(k.Mode)},
		{"有效期 valid", validity(k)},
	}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("应用密钥 appSecret", k.Secret)
	if k.Mode.Signs() {
		add("机构公钥 SM2 public key", k.Public.String())
		add("平台公钥 SM2 public key of the platform", platform.Public().String())
	}
	if pair != nil {
		add("机构私钥 SM2 private key", pair.Secret())
	}
	if len(k.Cipher) > 0 {
		add("SM4 密钥 key (hex)", fmt.Sprintf("%x", k.Cipher))
	}
	add("网关 gateway", string(k.Gateway))
	switch k.Gateway {
	case keyring.CSB:
		add("_api_access_key", k.AccessKey)
		add("密钥 secret key", k.GatewaySecret)
	case keyring.TIF:
		add("x-tif-paasid", k.AccessKey)
		add("密钥 secret", k.GatewaySecret)
	case keyring.APIKey:
		add("apikey", k.GatewaySecret)
	}
	if k.Mode != keyring.None {
		add("时钟允差 clock window", k.Window.String())
	}
	if err := table(w, 2, rows); err != nil {
		return err
	}
	fmt.Fprintln(w, "\n密钥只显示这一次，请妥善交给 HIS 厂商。The secrets are shown this once. docs/his-security.md")
	for _, b := range all {
		if b.Number != k.Number && b.Revoked.IsZero() && b.To.After(k.From) {
			fmt.Fprintf(w, "编号 %d 的旧密钥（%s）可用到 %s。Keys %d remain valid until then.\n", b.Number, b.Mode, b.To.In(time.Local).Format(keyTimeLayout), b.Number)
		}
	}
	return nil
}

func validity(k keyring.Key) string {
	s := k.From.In(time.Local).Format(keyTimeLayout) + " – "
	if !k.To.IsZero() {
		s += k.To.In(time.Local).Format(keyTimeLayout)
	}
	return s
}

func listKeysCommand() *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the keys of all providers, or of one, without their secrets",
		Example: `  anji his keys list --data ./anji-data`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return f.open(ctx, func(d *db.DB, ring *keyring.Ring, signer *gm.Signer) error {
				var keys []keyring.Key
				err := d.View(ctx, func(tx *db.Tx) (err error) {
					if f.provider != "" {
						keys, err = ring.Of(ctx, tx, f.provider)
					} else {
						keys, err = ring.All(ctx, tx)
					}
					return err
				})
				if err != nil {
					return err
				}
				w := cmd.OutOrStdout()
				fmt.Fprintf(w, "平台公钥 SM2 public key of the platform: %s\n\n", signer.Public())
				if len(keys) == 0 {
					_, err := fmt.Fprintln(w, "没有密钥 no keys")
					return err
				}
				rows := [][]string{{"机构 provider", "编号", "方式 mode", "网关 gateway", "访问标识 access key", "允差 window", "有效期 valid", "状态 state", "机构公钥 public key"}}
				now := time.Now()
				for _, k := range keys {
					public := ""
					if k.Public != nil {
						public = k.Public.String()[2:18] + "…"
					}
					rows = append(rows, []string{k.Provider, strconv.Itoa(k.Number), string(k.Mode), string(k.Gateway), k.AccessKey, k.Window.String(), validity(k), keyState(k, now), public})
				}
				return table(w, len(rows[0]), rows)
			})
		},
	}
	f.add(cmd, false)
	return cmd
}

func keyState(k keyring.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "已吊销 revoked"
	case k.ValidAt(now):
		return "有效 valid"
	case now.Before(k.From):
		return "未生效 not yet"
	}
	return "已过期 expired"
}

func revokeKeysCommand() *cobra.Command {
	var f keyFlags
	var number int
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "End keys at once and for good",
		Long: `Ends keys for good. Servers that run feel it within seconds. A provider whose
keys are all revoked or expired is refused until it gets new ones.`,
		Example: `  anji his keys revoke --data ./anji-data --provider H99010000101 --number 1 --by 管理员`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return f.open(ctx, func(d *db.DB, ring *keyring.Ring, _ *gm.Signer) error {
				err := d.Update(ctx, func(tx *db.Tx) error { return ring.Revoke(ctx, tx, f.provider, number, time.Now(), f.by) })
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "已吊销 revoked: %s %d\n", f.provider, number)
				}
				return err
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().IntVar(&number, "number", 0, "number of the keys (needed)")
	if err := cmd.MarkFlagRequired("number"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}
