-- +goose Up

-- office is the region of the agency's office that took the application, where it
-- is another than the insured region's own (全市通办); ''.
ALTER TABLE filing_application ADD COLUMN office TEXT NOT NULL DEFAULT '';
