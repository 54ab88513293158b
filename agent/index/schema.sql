-- What the index keeps of the custody log: where an answer stands, and what is asked for often. Nothing here is
-- evidence, and nothing stands here alone: every row is made from entries and can be made again.
--
-- Plain SQL that SQLite and PostgreSQL take alike. '' and 0 are absent. log_index is the entry that a row comes from,
-- ids are those of entries, hashes are hex in lower case, times are microseconds since 1970.

CREATE TABLE built (
  one INTEGER PRIMARY KEY,        -- 1: there is one row
  schema_version INTEGER NOT NULL,
  log_size BIGINT NOT NULL,       -- so many entries are in these tables,
  log_root TEXT NOT NULL,         -- and this is the root of a log of that size
  purge INTEGER NOT NULL          -- 1: rows of an erased entry were removed, and the file may still hold their bytes
);

CREATE TABLE entries (
  log_index BIGINT PRIMARY KEY,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  of_id TEXT NOT NULL
);
CREATE INDEX entries_by_id ON entries (id);
CREATE INDEX entries_by_of ON entries (of_id);
CREATE INDEX entries_by_kind ON entries (kind, log_index);

CREATE TABLE exhibits (
  log_index BIGINT PRIMARY KEY,
  id TEXT NOT NULL,
  acquisition TEXT NOT NULL,
  role TEXT NOT NULL,
  sha256 TEXT NOT NULL
);
CREATE INDEX exhibits_by_object ON exhibits (sha256);
CREATE INDEX exhibits_by_acquisition ON exhibits (acquisition);

-- Those whose bytes are there.
CREATE TABLE objects (
  sha256 TEXT PRIMARY KEY,
  size BIGINT NOT NULL
);

-- exhibit.erased and entry.erased, by the exhibit, capture or entry that they are about.
CREATE TABLE erasures (
  log_index BIGINT PRIMARY KEY,
  subject TEXT NOT NULL
);
CREATE INDEX erasures_by_subject ON erasures (subject);

-- Attempts that have no result yet.
CREATE TABLE capture_attempts (
  id TEXT PRIMARY KEY,
  log_index BIGINT NOT NULL,
  source TEXT NOT NULL,
  item_key TEXT NOT NULL,
  route TEXT NOT NULL
);

CREATE TABLE captures (
  log_index BIGINT PRIMARY KEY,
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  item_key TEXT NOT NULL,
  outcome TEXT NOT NULL,
  found BIGINT NOT NULL           -- references
);
CREATE INDEX captures_by_id ON captures (id);

CREATE TABLE reference_lists (
  log_index BIGINT PRIMARY KEY,
  capture TEXT NOT NULL,
  total BIGINT NOT NULL
);

-- What sources listed: seen (captured, and what it names was begun), following (not all of that was begun yet), failed
-- (asked for again), closed (an operator or a policy ended it).
CREATE TABLE items (
  source TEXT NOT NULL,
  item_key TEXT NOT NULL,
  state TEXT NOT NULL,
  job TEXT NOT NULL,              -- of those that are not seen
  PRIMARY KEY (source, item_key)
);

CREATE TABLE acquisitions (
  attempt TEXT PRIMARY KEY,
  log_index BIGINT NOT NULL,
  info_hash_v1 TEXT NOT NULL,
  info_hash_v2 TEXT NOT NULL,
  name_hex TEXT NOT NULL,
  by_person INTEGER NOT NULL,
  state TEXT NOT NULL,            -- open, or what the result says
  reason TEXT NOT NULL,
  result TEXT NOT NULL,
  file_list TEXT NOT NULL,
  swarm_record TEXT NOT NULL
);
CREATE INDEX acquisitions_by_state ON acquisitions (state);

-- Every name that a torrent was given: a magnet may have one hash only, and the metadata brings the other.
CREATE TABLE acquisition_names (
  info_hash TEXT NOT NULL,
  attempt TEXT NOT NULL,
  PRIMARY KEY (info_hash, attempt)
);

CREATE TABLE stampings (
  attempt TEXT PRIMARY KEY,
  log_index BIGINT NOT NULL,
  result_index BIGINT NOT NULL,   -- -1: none yet
  anchored_size BIGINT NOT NULL   -- 0: nothing was anchored by it
);

CREATE TABLE sources (
  name TEXT PRIMARY KEY,
  polled BIGINT NOT NULL,         -- source.polled entries
  polls BIGINT NOT NULL,
  new_items BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  last_utc TEXT NOT NULL,
  state TEXT NOT NULL
);

-- The queue. A job is open while it is waiting or leased; what ends one for good stands in the log.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,            -- of the entry that it began with
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,          -- JSON
  route TEXT NOT NULL,
  cause TEXT NOT NULL,
  case_name TEXT NOT NULL,
  priority INTEGER NOT NULL,      -- larger ones first
  state TEXT NOT NULL,            -- waiting, leased, done, dead, cancelled
  owner TEXT NOT NULL,
  leased_until_us BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  not_before_us BIGINT NOT NULL,
  log_index BIGINT NOT NULL
);
CREATE INDEX jobs_by_state ON jobs (state, not_before_us);
