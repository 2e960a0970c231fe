// Package his is the edge toward hospitals and pharmacies: the national
// interface of designated providers (国家医保信息平台定点医药机构接口), spoken
// by their information systems (HIS).
//
// # What this room does
//
// It reads a message (JSON over HTTP POST to /his or /his/{infno}, and the other
// forms that clients send, transport.go), proves who sent it (security.go,
// gateway.go; docs/his-security.md), checks every field by the tables in spec/,
// turns the interface's names and codes into Anji's terms once, lets the domain
// rooms decide, and spells their answer back once. Names such as medfee_sumamt
// stand here and nowhere else.
//
//	spec/transactions.tsv  the transactions: number and name
//	spec/fields.tsv        every node and field: type, length, dictionary, required
//	spec/dictionaries.tsv  every code with its meaning
//	spec/columns.tsv       every column of the catalogue files
//
// Decoding, validation, replies and documentation all come from these tables
// (Spec), so that they cannot disagree. To offer one more transaction, write
// its handler and name it in offered; its fields are already in the table.
//
// # What it promises
//
//   - Strict in JSON and in money, liberal in form. Repeated names, invalid
//     UTF-8, trailing data, more than 32 levels or 4 MiB (without an uploaded
//     file) are refused, and so is every number or date that could be read in
//     two ways. Numbers as texts, texts as numbers, the word null, codes with a
//     missing or extra leading zero, one row without its list, names in another
//     case, dates in any clear form, and any msgid of 1 to 64 characters are
//     accepted; where a value was changed or not taken, warn_msg says so.
//   - What a provider with keys did not prove does nothing (clients_test.go and
//     security_test.go show what comes and what is made of it).
//   - A refusal names every wrong field that fits into err_msg, with its row,
//     its value and what is allowed.
//   - A message is done once. The first good reply to (fixmedins_code, msgid)
//     is remembered in the transaction that did the work; the same message
//     again gets the same bytes, another message under the same msgid is
//     refused. A refused message leaves nothing behind, so it can be corrected
//     and sent again.
//   - Files are streams. What 9101 brings is lifted out of its JSON while it is
//     received (upload.go), and 9102 answers piece by piece, without a
//     transaction that waits for the client. A catalogue file (download.go) is
//     made once for each pair of versions.
//   - A message undone by its number (2601) does nothing any more, whether it came
//     before or comes after.
//   - Every reply keeps the identities of the amounts, to the fen.
//   - It never panics out: a fault of ours is answered with infcode -1 and a
//     reference number that is also in the log.
//
// # What it may not do
//
// It decides no benefit and computes no amount: money comes from settlement
// and is only copied. It holds no state between messages but what is in the
// database, and what may be forgotten: keys that were read within seconds, and
// nonces that were seen. It logs no names, IDs, diagnoses or message contents:
// only transaction number, provider and reference number.
// An Observer sees whole messages, so only the sandbox of made-up data has one.
package his
