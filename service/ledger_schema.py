"""The tables of the ledger."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS datasets (
    id TEXT PRIMARY KEY, spec TEXT NOT NULL, spec_sha256 TEXT NOT NULL, samples INTEGER NOT NULL,
    work INTEGER NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    queued REAL NOT NULL, started REAL, finished REAL, seconds REAL NOT NULL DEFAULT 0,
    memory INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, shards INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    dataset TEXT NOT NULL REFERENCES datasets(id), status TEXT NOT NULL, message TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL, started REAL, finished REAL, idempotency TEXT, name TEXT NOT NULL DEFAULT '',
    UNIQUE (owner, idempotency)
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, seq);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (owner, status, seq);
CREATE INDEX IF NOT EXISTS jobs_by_dataset ON jobs (dataset, status);
CREATE TABLE IF NOT EXISTS loads (owner TEXT PRIMARY KEY, jobs INTEGER NOT NULL, work INTEGER NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS job_begins AFTER INSERT ON jobs WHEN NEW.status IN ('accepted', 'running') BEGIN
    INSERT INTO loads SELECT NEW.owner, 1, work FROM datasets WHERE id = NEW.dataset
    ON CONFLICT (owner) DO UPDATE SET jobs = jobs + 1, work = work + excluded.work;
END;
CREATE TRIGGER IF NOT EXISTS job_ends AFTER UPDATE OF status ON jobs
WHEN OLD.status IN ('accepted', 'running') AND NEW.status NOT IN ('accepted', 'running') BEGIN
    UPDATE loads SET jobs = jobs - 1, work = work - (SELECT work FROM datasets WHERE id = NEW.dataset)
    WHERE owner = NEW.owner;
END;
CREATE INDEX IF NOT EXISTS datasets_by_status ON datasets (status, queued);
CREATE TABLE IF NOT EXISTS backlog (
    owner TEXT NOT NULL, seconds REAL NOT NULL, seq INTEGER NOT NULL, dataset TEXT NOT NULL,
    PRIMARY KEY (owner, seconds, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS backlog_by_dataset ON backlog (dataset, owner);
CREATE TRIGGER IF NOT EXISTS backlog_grows AFTER INSERT ON jobs WHEN NEW.status IN ('accepted', 'running') BEGIN
    INSERT INTO backlog SELECT NEW.owner, seconds, NEW.seq, id FROM datasets WHERE id = NEW.dataset;
END;
CREATE TRIGGER IF NOT EXISTS backlog_shrinks AFTER UPDATE OF status ON jobs
WHEN OLD.status IN ('accepted', 'running') AND NEW.status NOT IN ('accepted', 'running') BEGIN
    DELETE FROM backlog WHERE owner = NEW.owner AND dataset = NEW.dataset AND seq = NEW.seq;
END;
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, owner TEXT NOT NULL, since REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS mends (
    dataset TEXT PRIMARY KEY, shards INTEGER NOT NULL, found REAL NOT NULL, ended REAL
) STRICT;
CREATE TABLE IF NOT EXISTS looks (dataset TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS totals (name TEXT NOT NULL, label TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (name, label)) STRICT, WITHOUT ROWID;
"""

LATER = (
    ("datasets", "seconds", "REAL NOT NULL DEFAULT 0", "1e-6 * work"),
    ("datasets", "memory", "INTEGER NOT NULL DEFAULT 0", "0"),
    ("datasets", "bytes", "INTEGER NOT NULL DEFAULT 0", "8 * work"),
    ("datasets", "shards", "INTEGER NOT NULL DEFAULT 1", "1"),
    ("jobs", "name", "TEXT NOT NULL DEFAULT ''", "''"),
)
"""Columns that ledgers of older versions do not have, and what is put into them there."""
