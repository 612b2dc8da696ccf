/** Each brings a file of the version before it up to date. */
export const outboxSchema: readonly string[] = [
  `
  CREATE TABLE checkpoint (position INTEGER) STRICT;
  CREATE TABLE delivery (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, event_id TEXT NOT NULL, event_type TEXT NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, queued_at INTEGER NOT NULL, due_at INTEGER NOT NULL, failure TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX delivery_due ON delivery (channel, state, due_at);`,
  // Counting a full queue for each message that comes would cost more than the message.
  `
  CREATE TABLE size (channel TEXT NOT NULL, state TEXT NOT NULL, deliveries INTEGER NOT NULL, PRIMARY KEY (channel, state)) STRICT, WITHOUT ROWID;
  INSERT INTO size SELECT channel, state, count(*) FROM delivery GROUP BY channel, state;
  CREATE TRIGGER delivery_came AFTER INSERT ON delivery BEGIN
    INSERT INTO size VALUES (new.channel, new.state, 1) ON CONFLICT DO UPDATE SET deliveries = deliveries + 1;
  END;
  CREATE TRIGGER delivery_went AFTER DELETE ON delivery BEGIN
    UPDATE size SET deliveries = deliveries - 1 WHERE channel = old.channel AND state = old.state;
  END;
  CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery WHEN old.state <> new.state BEGIN
    UPDATE size SET deliveries = deliveries - 1 WHERE channel = old.channel AND state = old.state;
    INSERT INTO size VALUES (new.channel, new.state, 1) ON CONFLICT DO UPDATE SET deliveries = deliveries + 1;
  END;`,
  // An alarm goes before what came earlier, and nobody alone fills a queue. What is already there is of unknown urgency.
  `
  ALTER TABLE delivery ADD COLUMN urgency INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE delivery ADD COLUMN source TEXT NOT NULL DEFAULT '';
  DROP INDEX delivery_due;
  CREATE INDEX delivery_urgent ON delivery (channel, state, urgency, due_at);
  CREATE INDEX delivery_source ON delivery (channel, source) WHERE state = 'waiting' AND source <> '';
  CREATE INDEX delivery_newest ON delivery (state, queued_at);
  CREATE TABLE forgotten (channel TEXT PRIMARY KEY, deliveries INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
];
