"""What a program with psycopg2 does; prints one line of JSON per step. The same lines are expected on every way to the same server."""
import hashlib
import io
import json
import select
import sys
import threading

import psycopg2
import psycopg2.extensions

BIG = 64 * 1024 * 1024


def say(step, value):
    print(json.dumps([step, value], default=str), flush=True)


def failure(run):
    try:
        run()
    except psycopg2.Error as error:
        return [error.pgcode, error.diag.message_primary, type(error).__name__]
    return "no error"


conn = psycopg2.connect("")
cur = conn.cursor()
say("server version", conn.server_version // 10000 > 0)
say("parameters", [conn.get_parameter_status(name) for name in ("client_encoding", "standard_conforming_strings", "TimeZone")])

cur.execute("create temp table t (id int, note text)")
conn.commit()
cur.executemany("insert into t values (%s, %s)", [(n, f"note {n}") for n in range(50)])
conn.rollback()
cur.execute("select count(*) from t")
say("rolled back", cur.fetchone())
cur.executemany("insert into t values (%s, %s)", [(n, "O'Brien \\ é") for n in range(50)])
conn.commit()
cur.execute("select count(*), min(note) from t")
say("committed", cur.fetchone())

say("error", failure(lambda: cur.execute("select 1/0")))
say("in a failed transaction", failure(lambda: cur.execute("select 1")))
conn.rollback()
cur.execute("select 'alive'")
say("after the error", cur.fetchone())

cur.execute("savepoint s")
say("duplicate", failure(lambda: cur.execute("create table pg_temp.t (id int)")))
cur.execute("rollback to s")
cur.execute("prepare p(int) as select note from t where id = $1")
cur.execute("execute p(7)")
say("prepared", cur.fetchone())
conn.commit()

out = io.StringIO()
cur.copy_expert("copy (select * from t order by id) to stdout", out)
say("copy out", hashlib.md5(out.getvalue().encode()).hexdigest())
cur.copy_expert("copy t from stdin", io.StringIO("".join(f"{n}\tcopied\n" for n in range(100, 5000))))
cur.execute("select count(*) from t")
say("copy in", cur.fetchone())
say("bad copy in", failure(lambda: cur.copy_expert("copy t from stdin", io.StringIO("x\ty\n"))))
conn.rollback()

named = conn.cursor("named")
named.itersize = 7
named.execute("select generate_series(1, 100)")
say("named cursor", sum(row[0] for row in named))
named.close()
conn.commit()

timer = threading.Timer(0.5, conn.cancel)
timer.start()
say("cancel", failure(lambda: cur.execute("select pg_sleep(60)")))
timer.join()
conn.rollback()

conn.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
cur.execute("listen news")
other = psycopg2.connect("")
other.autocommit = True
other.cursor().execute("notify news, 'hello'")
while not conn.notifies:
    select.select([conn], [], [])
    conn.poll()
say("notified", [(notify.channel, notify.payload) for notify in conn.notifies])
other.close()
conn.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_READ_COMMITTED)

big = "0123456789abcdef" * (BIG // 16)
cur.execute("select length(%s), md5(%s::text)", (big[:10], "x"))
say("small", cur.fetchone())
cur.execute("select %s::text", (big,))
back = cur.fetchone()[0]
say("64 MiB both ways", [len(back), back == big])
conn.commit()

large = conn.lobject(0, "wb")
large.write(b"large object" * 100000)
oid = large.oid
large.close()
large = conn.lobject(oid, "rb")
say("large object", hashlib.md5(large.read()).hexdigest())
large.unlink()
conn.commit()

conn.close()
say("end", len(sys.argv))
