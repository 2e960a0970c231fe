// Package reference settles the benchmark's inpatient stay as a general
// expression engine would: every rule of the example region 990100 that the
// stay meets is one compiled expression, evaluated per line or per stay. It is
// a module of its own so that the product depends on neither engine.
package reference
