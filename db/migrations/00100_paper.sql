-- +goose Up

-- Papers that people hand in with what they apply for (材料): a picture or a PDF
-- of each. matter is what it belongs to, such as a claim or an application; label
-- is which of the papers asked for it is. What is removed keeps its row.
CREATE TABLE paper (
    id      TEXT NOT NULL PRIMARY KEY,
    matter  TEXT NOT NULL,
    person  TEXT NOT NULL,
    label   TEXT NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    size    BIGINT NOT NULL,
    digest  BLOB NOT NULL,
    at      TEXT NOT NULL,
    actor   TEXT NOT NULL,
    removed TEXT NOT NULL DEFAULT ''
);
CREATE INDEX paper_matter ON paper (matter, at);

-- Their content, sealed.
CREATE TABLE paper_body (
    paper TEXT NOT NULL PRIMARY KEY,
    data  BLOB NOT NULL
);
