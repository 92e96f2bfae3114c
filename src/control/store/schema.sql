CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('rows', 0), ('dropped', 0);
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, day INTEGER NOT NULL);
INSERT INTO name VALUES (0, '', 0);
CREATE TABLE exchange (
  at INTEGER PRIMARY KEY, rest INTEGER NOT NULL,
  client INTEGER NOT NULL, route INTEGER NOT NULL, dialect INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  asked INTEGER NOT NULL, model INTEGER NOT NULL, provider INTEGER NOT NULL, key INTEGER NOT NULL,
  status INTEGER NOT NULL, outcome INTEGER NOT NULL, flags INTEGER NOT NULL, attempts INTEGER NOT NULL,
  scene INTEGER NOT NULL, input INTEGER, output INTEGER, cache_read INTEGER, cache_write INTEGER, reasoning INTEGER,
  cost INTEGER NOT NULL, begun INTEGER, first_byte INTEGER, first_token INTEGER, total INTEGER NOT NULL,
  request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL);
CREATE INDEX exchange_client ON exchange (client);
CREATE INDEX exchange_provider ON exchange (provider);
CREATE INDEX exchange_model ON exchange (model);
CREATE INDEX exchange_asked ON exchange (asked) WHERE asked <> model;
CREATE INDEX exchange_failed ON exchange (outcome) WHERE outcome <> 0;
CREATE TABLE attempt (
  at INTEGER NOT NULL, n INTEGER NOT NULL, provider INTEGER NOT NULL, key INTEGER NOT NULL, model INTEGER NOT NULL,
  status INTEGER NOT NULL, why TEXT NOT NULL, begun INTEGER NOT NULL, ended INTEGER,
  PRIMARY KEY (at, n)) WITHOUT ROWID;
CREATE TABLE dropped (at INTEGER PRIMARY KEY, members TEXT NOT NULL);
CREATE TABLE trace (
  place INTEGER PRIMARY KEY, segment INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE INDEX trace_segment ON trace (segment);
CREATE TABLE minute (
  at INTEGER NOT NULL, client INTEGER NOT NULL, provider INTEGER NOT NULL, key INTEGER NOT NULL,
  model INTEGER NOT NULL, dialect INTEGER NOT NULL,
  requests INTEGER NOT NULL, ok INTEGER NOT NULL, request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL,
  input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, first_token BLOB, total BLOB,
  PRIMARY KEY (at, client, provider, key, model, dialect)) WITHOUT ROWID;
CREATE TABLE hour (
  at INTEGER NOT NULL, client INTEGER NOT NULL, provider INTEGER NOT NULL, key INTEGER NOT NULL,
  model INTEGER NOT NULL, dialect INTEGER NOT NULL,
  requests INTEGER NOT NULL, ok INTEGER NOT NULL, request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL,
  input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, first_token BLOB, total BLOB,
  PRIMARY KEY (at, client, provider, key, model, dialect)) WITHOUT ROWID;
CREATE TABLE day (
  at INTEGER NOT NULL, client INTEGER NOT NULL, provider INTEGER NOT NULL, key INTEGER NOT NULL,
  model INTEGER NOT NULL, dialect INTEGER NOT NULL,
  requests INTEGER NOT NULL, ok INTEGER NOT NULL, request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL,
  input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, first_token BLOB, total BLOB,
  PRIMARY KEY (at, client, provider, key, model, dialect)) WITHOUT ROWID;
