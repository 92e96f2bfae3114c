//! The store under the control plane: over restarts, and over what may become of its file.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::base::id::RequestId;
use crate::control::socket::tests::Folder;
use crate::control::tests::{FILE, World};
use crate::control::usage::Group;
use crate::record::{Attempt, Dropped, Entry, Model, Outcome, Text};

fn world(folder: &Path) -> World {
    World::with_store(FILE, |snapshot| Some(Store::begin(folder, snapshot.clone()).expect("a thread")))
}

async fn end(world: &World) {
    let store = world.shared.store.as_ref().expect("it has one");
    world.shared.stored(store).await;
    store.end().await;
}

async fn requests(world: &World) -> Value {
    world.get("/api/usage").await["total"]["requests"].clone()
}

fn ids(answer: &Value) -> Vec<String> {
    let rows = answer["requests"].as_array().expect("a list");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

/// Writes over the whole file, in place.
fn damage(path: &Path) {
    let bytes = std::fs::metadata(path).expect("a file").len() as usize;
    std::fs::write(path, vec![0x5a; bytes.max(64 * 1024)]).expect("written");
    for end in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        if let Ok(found) = std::fs::metadata(&name) {
            std::fs::write(&name, vec![0x5a; found.len() as usize]).expect("written");
        }
    }
}

#[tokio::test]
async fn rows_and_totals_outlive_the_process() {
    let folder = Folder::new("store-lives");
    let first = world(&folder.0);
    let told: Vec<RequestId> = (0..3)
        .map(|place| {
            first.tell(|entry| {
                entry.status = if place == 1 { 503 } else { 200 };
                entry.outcome = if place == 1 { Outcome::UpstreamError } else { Outcome::Ok };
                (entry.total_us, entry.streamed, entry.attempts) = (2_000_000, true, 2);
            })
        })
        .collect();
    end(&first).await;
    let second = world(&folder.0);
    second.tell(|_| {});
    let usage = second.get("/api/usage?group_by=client,model,dialect").await;
    assert_eq!((&usage["total"]["requests"], &usage["total"]["errors"]), (&json!(4), &json!(1)));
    let row = &usage["groups"][0];
    assert_eq!(
        (&row["client"], &row["model"], &row["dialect"]),
        (&json!("alice"), &json!("deepseek-chat"), &json!("chat"))
    );
    assert_eq!(row["input_tokens"], 40);
    assert!(row["total_ms_p50"].as_f64().is_some_and(|ms| (1_800.0..2_200.0).contains(&ms)), "{row}");
    assert_eq!(second.get("/api/requests").await["requests"].as_array().map(Vec::len), Some(4));
    let one = second.get(&format!("/api/requests/{}", told[1].as_str())).await;
    assert_eq!(
        (&one["status"], &one["outcome"], &one["key"]),
        (&json!(503), &json!("upstream_error"), &json!("first"))
    );
    assert_eq!((&one["input_tokens"], &one["cache_read_tokens"]), (&json!(10), &json!(4)));
    let store = second.get("/api/store").await;
    assert_eq!((&store["rows"], &store["state"], &store["dropped_rows"]), (&json!(4), &json!("ok"), &json!(0)));
    assert_eq!(store["oldest_unix_ms"], 1_795_254_816_123_u64);
}

#[tokio::test]
async fn rows_are_listed_by_whatever_is_asked() {
    let folder = Folder::new("store-lists");
    let world = world(&folder.0);
    let told: Vec<RequestId> = (0..6)
        .map(|place| {
            world.tell(|entry| {
                entry.outcome = if place == 2 { Outcome::Cut } else { Outcome::Ok };
                entry.status = if place == 1 { 404 } else { 200 };
                entry.client = if place < 3 { 0 } else { crate::record::NONE };
                entry.model_sent = Model::new(if place % 2 == 0 { "deepseek-chat" } else { "other" });
                entry.key = u16::from(place == 4);
            })
        })
        .collect();
    let id = |place: usize| told[place].as_str().to_owned();
    for (query, expected) in [
        ("?limit=2", vec![5, 4]),
        (&format!("?before={}", id(2)), vec![1, 0]),
        ("?status=error", vec![2]),
        ("?status=4xx", vec![1]),
        ("?status=404&client=alice", vec![1]),
        ("?status=500", vec![]),
        ("?status=ok&client=alice", vec![1, 0]),
        ("?client=bob", vec![]),
        ("?model=other", vec![5, 3, 1]),
        ("?model=gpt-4o", vec![5, 4, 3, 2, 1, 0]),
        ("?provider=deep&key=2", vec![4]),
        ("?dialect=gemini", vec![]),
        ("?from=2026-11-21&to=2026-11-21&limit=1", vec![5]),
        ("?to=2026-11-20", vec![]),
        (&format!("?q={}", id(3).to_uppercase()), vec![3]),
        ("?q=OTHER&limit=2", vec![5, 3]),
    ] {
        let answer = world.get(&format!("/api/requests{query}")).await;
        assert_eq!(ids(&answer), expected.into_iter().map(id).collect::<Vec<_>>(), "{query}");
    }
    let page = world.get("/api/requests?limit=4").await;
    let rest = world.get(&format!("/api/requests?before={}", page["next"].as_str().expect("more"))).await;
    assert_eq!((ids(&rest), &rest["next"]), (vec![id(1), id(0)], &Value::Null));
    assert_eq!(world.get("/api/requests?status=5xx").await["requests"], json!([]));
    let csv = world.ask("owner", "GET", "/api/usage?format=csv&group_by=model", &[], "").await.1;
    assert!(csv.starts_with("model,requests,ok,errors,input_tokens"), "{csv}");
    assert!(csv.contains("\r\ndeepseek-chat,3,2,1,30,") && csv.ends_with("\r\n"), "{csv}");
    assert_eq!(world.get("/api/usage?model=other&client=alice").await["total"]["requests"], 1);
    assert_eq!(world.get("/api/usage?group_by=minute").await["groups"][0]["minute"], "2026-11-21T09:53:00Z");
}

#[tokio::test]
async fn attempts_and_what_was_not_said_are_told_with_their_exchange() {
    let folder = Folder::new("store-tries");
    let world = world(&folder.0);
    let id = RequestId::new(1_795_254_816_123, 0, 9, 70_000);
    let failed = Attempt {
        provider: 0,
        key: 1,
        status: 429,
        why: Text::new("it answered 429"),
        ended_us: 700,
        ..Attempt::begun(id, 1_795_254_816_123, 0, 1, 100)
    };
    let served = Attempt { provider: 0, key: 0, status: 200, ..Attempt::begun(id, 1_795_254_816_123, 0, 2, 800) };
    {
        let mut core = world.core.lock().expect("no panic while held");
        core.attempt(&failed);
        core.attempt(&served);
        core.dropped(&Dropped { unix_ms: 1_795_254_816_123, id, members: Text::new("seed, user") });
    }
    world.tell(|entry| *entry = Entry { id, attempts: 2, first_byte_us: 900, total_us: 1_000, ..*entry });
    let one = world.get(&format!("/api/requests/{}", id.as_str())).await;
    assert_eq!(one["dropped"], json!(["seed", "user"]));
    let tries = one["attempts_list"].as_array().expect("a list");
    assert_eq!(tries.len(), 2);
    assert_eq!(
        (&tries[0]["why"], &tries[0]["ended_us"], &tries[0]["first_byte_us"]),
        (&json!("it answered 429"), &json!(700), &Value::Null)
    );
    assert_eq!(
        (&tries[1]["begun_us"], &tries[1]["first_byte_us"], &tries[1]["ended_us"]),
        (&json!(800), &json!(900), &json!(1_000))
    );
    let single = world.tell(|entry| (entry.begun_us, entry.total_us) = (5, 50));
    let tries = &world.get(&format!("/api/requests/{}", single.as_str())).await["attempts_list"];
    assert_eq!((&tries[0]["n"], &tries[0]["begun_us"], &tries[0]["ended_us"]), (&json!(1), &json!(5), &json!(50)));
}

#[tokio::test]
async fn a_damaged_file_at_the_start_is_set_aside() {
    let folder = Folder::new("store-bad-start");
    socket_dir(&folder.0);
    std::fs::write(folder.0.join(FILE_NAME), vec![7; 64 * 1024]).expect("written");
    let world = world(&folder.0);
    world.tell(|_| {});
    assert_eq!(requests(&world).await, 1);
    let store = world.get("/api/store").await;
    assert_eq!((&store["state"], &store["rows"]), (&json!("set_aside"), &json!(1)));
    assert_eq!(aside(&folder.0), 1);
    assert_eq!(world.get("/api/status").await["store"]["state"], "set_aside");
}

const FILE_NAME: &str = super::FILE;

fn socket_dir(folder: &Path) {
    crate::control::socket::data_dir(folder).expect("a folder");
}

fn aside(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name());
    names
        .filter(|name| {
            name.to_string_lossy().contains(".damaged-")
                && !name.to_string_lossy().ends_with("-wal")
                && !name.to_string_lossy().ends_with("-shm")
        })
        .count()
}

#[tokio::test]
async fn a_file_that_is_damaged_meanwhile_costs_no_number() {
    let folder = Folder::new("store-bad-later");
    let world = world(&folder.0);
    (0..5).for_each(|_| _ = world.tell(|_| {}));
    assert_eq!(requests(&world).await, 5);
    damage(&folder.0.join(FILE_NAME));
    world.tell(|_| {});
    assert_eq!(requests(&world).await, 6, "all since the start");
    world.tell(|_| {});
    assert_eq!(requests(&world).await, 7);
    assert_eq!(world.get("/api/store").await["state"], "set_aside");
    assert_eq!(aside(&folder.0), 1);
    end(&world).await;
    let next = self::world(&folder.0);
    assert_eq!(requests(&next).await, 7);
}

#[tokio::test]
async fn a_file_that_is_deleted_meanwhile_is_made_anew() {
    let folder = Folder::new("store-gone");
    let world = world(&folder.0);
    world.tell(|_| {});
    assert_eq!(requests(&world).await, 1);
    std::fs::remove_file(folder.0.join(FILE_NAME)).expect("removed");
    tokio::time::sleep(Duration::from_millis(limits::STORE_RETRY_MS)).await;
    world.tell(|_| {});
    assert_eq!(requests(&world).await, 2);
    assert!(folder.0.join(FILE_NAME).exists());
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_all_the_same_and_written_later() {
    let folder = Folder::new("store-full");
    socket_dir(&folder.0);
    // A file where the folder should be: nothing can be written there, whoever asks.
    let place = folder.0.join("data");
    std::fs::write(&place, "").expect("written");
    let world = world(&place);
    let first = world.tell(|_| {});
    assert_eq!(requests(&world).await, 1);
    assert_eq!(world.get("/api/status").await["store"]["state"], "full");
    assert_eq!(ids(&world.get("/api/requests").await), [first.as_str()]);
    std::fs::remove_file(&place).expect("removed");
    world.tell(|_| {});
    assert_eq!(requests(&world).await, 2);
    let store = world.get("/api/store").await;
    assert_eq!((&store["state"], &store["rows"]), (&json!("ok"), &json!(2)));
}

#[tokio::test]
async fn a_file_of_a_later_version_is_left_alone() {
    let folder = Folder::new("store-newer");
    socket_dir(&folder.0);
    let path = folder.0.join(FILE_NAME);
    Connection::open(&path)
        .and_then(|db| db.execute_batch("PRAGMA user_version = 99; CREATE TABLE t (a)"))
        .expect("made");
    let world = world(&folder.0);
    world.tell(|_| {});
    assert_eq!(requests(&world).await, 1, "since the start");
    assert_eq!(world.get("/api/store").await["state"], "unavailable");
    let version = Connection::open(&path).and_then(|db| db.query_row("PRAGMA user_version", [], |row| row.get(0)));
    assert_eq!(version, Ok(99));
}

#[test]
fn old_rows_go_in_steps_and_sums_by_their_grain() {
    let folder = Folder::new("store-old");
    socket_dir(&folder.0);
    let db = schema::open(&folder.0.join(FILE_NAME)).unwrap_or_else(|trouble| panic!("{trouble:?}")).db;
    let now_ms = 1_795_254_816_123;
    let days_ago = |days: u64| now_ms - days * 86_400_000;
    let packs = limits::STORE_RETAIN_ROWS / limits::PACK_ROWS as u64 + 2;
    let row = |days: u64, nth: u64| {
        let mut row = pack::Row::default();
        row.set(pack::Column::At, schema::first_place(days_ago(days)) as u64 + nth);
        row.set(pack::Column::Model, 1 + nth % 3);
        row
    };
    {
        let change = db.unchecked_transaction().expect("a change");
        let rows: Vec<_> = (0..packs * limits::PACK_ROWS as u64).map(|nth| row(9, nth)).collect();
        tail::Tail::default().extended(&change, &rows).expect("written");
        tail::Tail::default().extended(&change, &[row(9, 0), row(1, 0)]).expect("written");
        change.execute("UPDATE meta SET value = ?1 WHERE name = 'rows'", [rows.len() + 2]).expect("set");
        change.commit().expect("done");
    }
    for days in [1_u64, 5, 9] {
        for grain in Grain::ALL {
            let at = grain.floor((days_ago(days) / 60_000) as u32);
            let row = format!(
                "INSERT INTO {} VALUES (?1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL)",
                grain.table()
            );
            db.execute(&row, [at]).expect("a row");
        }
    }
    let count = |table: &str| -> u64 {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count")
    };
    assert!(retain::step(&db, 7, now_ms).expect("done"), "there is more");
    assert_eq!(count("pack"), 3);
    assert!(retain::step(&db, 7, now_ms).expect("done"));
    assert!(!retain::step(&db, 7, now_ms).expect("done"));
    assert_eq!(["pack", "minute", "hour", "day"].map(count), [1, 1, 2, 2], "a pack stays with its newest row");
    assert_eq!(read::facts(&db).expect("known").rows, 2);
    let names = "SELECT count(*) FROM within WHERE pack NOT IN (SELECT number FROM pack)";
    assert_eq!(db.query_row(names, [], |row| row.get::<_, u64>(0)), Ok(0));
}

/// Pages over exchanges that are written in the order of their ends, some of them long after others that began later.
/// A sum goes with the first moment that its grain is no longer kept for.
#[test]
fn sums_are_kept_for_the_days_of_their_grain() {
    let folder = Folder::new("store-grains");
    socket_dir(&folder.0);
    let db = schema::open(&folder.0.join(FILE_NAME)).unwrap_or_else(|trouble| panic!("{trouble:?}")).db;
    let now_minute = 1_795_254_816_123 / 60_000;
    let keep_days = limits::STORE_HOURS_DAYS + 1;
    for (grain, days) in
        [(Grain::Minute, limits::STORE_MINUTES_DAYS), (Grain::Hour, limits::STORE_HOURS_DAYS), (Grain::Day, keep_days)]
    {
        let kept = grain.floor(now_minute as u32 - days * 24 * 60);
        for at in [kept, kept - grain.minutes()] {
            let row = format!(
                "INSERT INTO {} VALUES (?1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL)",
                grain.table()
            );
            db.execute(&row, [at]).expect("a row");
        }
        while retain::step(&db, keep_days, now_minute * 60_000).expect("done") {}
        let left: Vec<u32> = db
            .prepare(&format!("SELECT at FROM {}", grain.table()))
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .expect("rows");
        assert_eq!(left, [kept]);
    }
}

#[tokio::test]
async fn a_page_holds_so_many_exchanges_at_most() {
    let folder = Folder::new("store-page");
    for world in [world(&folder.0), World::new(FILE)] {
        (0..limits::PAGE_ROWS_MAX).for_each(|_| _ = world.tell(|_| {}));
        let page = async |limit: usize| {
            let told = world.get(&format!("/api/requests?limit={limit}")).await;
            (ids(&told).len(), told["next"].is_string())
        };
        assert_eq!(page(limits::PAGE_ROWS_MAX - 1).await, (limits::PAGE_ROWS_MAX - 1, true));
        let most = page(limits::PAGE_ROWS_MAX).await;
        assert_eq!(most.0, limits::PAGE_ROWS_MAX);
        world.tell(|_| {});
        assert_eq!(page(limits::PAGE_ROWS_MAX + 1).await, (limits::PAGE_ROWS_MAX, true), "the rest is another page");
        let (status, _) = world.ask("owner", "GET", "/api/requests?limit=0", &[], "").await;
        assert_eq!(status.as_u16(), 400);
    }
}

#[tokio::test]
async fn pages_are_in_order_however_long_exchanges_took() {
    let folder = Folder::new("store-order");
    let world = world(&folder.0);
    let many = limits::PACK_ROWS as u32 * 3;
    let mut told = Vec::new();
    for nth in 0..many {
        // Each fifth began up to 20 seconds before.
        let unix_ms =
            1_795_254_816_123 + u64::from(nth) * 10 - if nth % 5 == 0 { u64::from(nth % 19) * 1_000 } else { 0 };
        let id = RequestId::new(unix_ms, (nth % 3) as u16, 9, nth);
        world.tell(|entry| {
            *entry = Entry { id, unix_ms, model_sent: Model::new(if nth % 7 == 0 { "rare" } else { "m" }), ..*entry };
        });
        told.push((id, nth % 7 == 0));
        if nth % 100 == 0 {
            requests(&world).await;
        }
    }
    told.sort_by_key(|(id, _)| std::cmp::Reverse(*id.as_bytes()));
    for (query, rare) in [("limit=97", false), ("limit=50&model=rare", true), ("limit=1000&q=RAR", true)] {
        let expected: Vec<&str> =
            told.iter().filter(|(_, is_rare)| *is_rare || !rare).map(|(id, _)| id.as_str()).collect();
        let (mut found, mut before) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("/api/requests?{query}{before}")).await;
            found.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            before = format!("&before={next}");
        }
        assert_eq!(found, expected, "{query}");
    }
    let db = schema::open_to_read(&folder.0.join(FILE_NAME)).unwrap_or_else(|trouble| panic!("{trouble:?}"));
    let (mut found, mut before, mut pages) = (Vec::new(), None, 0);
    while pages < 10 {
        let over = Instant::now();
        let page = read::page_until(over, &db, &Filter::default(), before.as_deref(), 1_000).expect("a page");
        found.extend(page.exchanges.into_iter().map(|exchange| exchange.id));
        pages += 1;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found, told.iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>(), "without time");
    assert_eq!(pages, many as usize / limits::PACK_ROWS + 1, "one for where the first pack begins");
    let one = world.get(&format!("/api/requests/{}", told[700].0.as_str())).await;
    assert_eq!(one["id"], told[700].0.as_str());
}

/// A file of the first form, in which each row lay by itself.
#[tokio::test]
async fn a_file_of_the_first_form_is_taken_over() {
    let folder = Folder::new("store-first-form");
    socket_dir(&folder.0);
    let ids: Vec<RequestId> =
        (0..limits::PACK_ROWS as u32 + 9).map(|nth| RequestId::new(1_795_254_816_123, 1, 9, nth)).collect();
    let db = Connection::open(folder.0.join(FILE_NAME)).expect("a file");
    db.execute_batch(include_str!("schema.sql")).expect("made");
    db.execute_batch("PRAGMA user_version = 1; INSERT INTO name VALUES (1, 'alice', 0), (2, 'chat', 0), (3, 'm', 0)")
        .expect("made");
    for (nth, id) in ids.iter().enumerate() {
        let (at, rest) = schema::place(id.as_str()).expect("an id");
        let said = if nth == 3 { "NULL, NULL, NULL, NULL, NULL" } else { "11, 12, 5, 6, 7" };
        let row = format!(
            "INSERT INTO exchange VALUES ({at}, {rest}, 1, 0, 2, 2, 3, 3, 0, 0, {}, {}, 5, 2, 0, {said}, 99, 0, NULL, 20,
             {nth}, 300, 400)",
            if nth == 4 { 502 } else { 200 },
            if nth == 4 { 2 } else { 0 },
        );
        db.execute(&row, []).expect("a row");
    }
    db.execute("INSERT INTO dropped VALUES (?1, 'seed, user')", [schema::place(ids[5].as_str()).expect("an id").0])
        .expect("a row");
    db.execute("UPDATE meta SET value = ?1 WHERE name = 'rows'", [ids.len()]).expect("set");
    drop(db);
    let world = world(&folder.0);
    assert_eq!(world.get("/api/store").await["rows"], ids.len());
    let mut found = self::ids(&world.get("/api/requests?limit=1000&client=alice").await);
    found.reverse();
    assert_eq!(found, ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>());
    let one = async |nth: usize| world.get(&format!("/api/requests/{}", ids[nth].as_str())).await;
    let third = one(3).await;
    assert_eq!((&third["input_tokens"], &third["total_us"]), (&Value::Null, &json!(3)));
    assert_eq!((&third["first_byte_us"], &third["first_token_us"]), (&Value::Null, &json!(20)));
    assert_eq!((&third["streamed"], &third["reused"], &third["traced"]), (&json!(true), &json!(false), &json!(true)));
    assert_eq!(one(5).await["dropped"], json!(["seed", "user"]));
    let fourth = one(4).await;
    assert_eq!(
        (&fourth["outcome"], &fourth["status"], &fourth["cache_write_tokens"]),
        (&json!("upstream_error"), &json!(502), &json!(6))
    );
    assert_eq!(self::ids(&world.get("/api/requests?status=error").await), [ids[4].as_str()]);
}

/// Not a test but a measure: `cargo test --release --lib measure_the_store -- --ignored --nocapture`. A tenth of
/// `WEIR_STORE_ROWS` comes at the pace of a busy relay and is timed; all others lie in the 30 days before.
#[test]
#[ignore = "measures, and checks nothing"]
fn measure_the_store() {
    let rows: u64 = std::env::var("WEIR_STORE_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = Folder::new("store-measure");
    let snapshot = Arc::new(ArcSwap::from_pointee(crate::config::tests::snapshot("{}")));
    let (store, mut feed) = Store::begin(&folder.0, snapshot).expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (fresh, old) = (rows / 10, rows - rows / 10);
    let now_ms = crate::control::unix_ms();
    let month_ms = 30 * 86_400_000;
    let mut write = |what: &str, rows: u64, at_ms: &dyn Fn(u64) -> u64| {
        let begun = Instant::now();
        tell(&mut feed, rows, at_ms);
        runtime.block_on(async { while store.flush().await.is_none() {} });
        let taken = begun.elapsed();
        let pace = rows as f64 / taken.as_secs_f64();
        println!("{what}: {rows} rows in {taken:?}: {pace:.0} a second; {} given up", store.dropped());
    };
    write("of a month", old, &|nth| now_ms - month_ms + nth * (month_ms / old.max(1)));
    write("as they come", fresh, &|nth| now_ms + nth / 50);
    let db = schema::open_to_read(&store.ledger.path).unwrap_or_else(|trouble| panic!("{trouble:?}"));
    println!("{:?}", read::facts(&db));
    let timed = |what: &str, ask: &dyn Fn() -> usize| {
        let begun = Instant::now();
        let found = ask();
        println!("{what}: {found} in {:?}", begun.elapsed());
    };
    let some = |text: &str| Some(text.to_owned());
    for (what, filter) in [
        ("newest", Filter::default()),
        ("errors", Filter { status: Status::Error, ..Filter::default() }),
        ("client and model", Filter { client: some("client-7"), model: some("model-17"), ..Filter::default() }),
        ("none such", Filter { client: some("client-7"), model: some("model-3"), ..Filter::default() }),
        ("a week ago", Filter { to_ms: Some(now_ms - 7 * 86_400_000), ..Filter::default() }),
        ("words", Filter { words: some("nowhere to be found"), ..Filter::default() }),
        ("a word that may be an id", Filter { words: some("nowhere"), ..Filter::default() }),
    ] {
        timed(what, &|| page(&db, &filter, None, 100).map_or(0, |page| page.exchanges.len()));
    }
    let newest = page(&db, &Filter::default(), None, 1).expect("a page").exchanges;
    timed("one by its id", &|| one(&db, &newest[0].id).map_or(0, |found| usize::from(found.is_some())));
    let (now, day) = ((now_ms / 60_000) as u32, Grain::Day.minutes());
    for (what, grain, from, groups) in [
        ("today", Grain::Day, Grain::Day.floor(now), vec![]),
        ("the hour of the overview", Grain::Minute, now - 60, vec![Group::Minute]),
        ("three days by hour and model", Grain::Hour, now - 3 * day, vec![Group::Hour, Group::Model]),
        ("a quarter by day and client", Grain::Day, now - 90 * day, vec![Group::Day, Group::Client]),
        ("all by client, model and day", Grain::Day, 0, vec![Group::Client, Group::Model, Group::Day]),
        ("all by hour and provider", Grain::Hour, 0, vec![Group::Hour, Group::Provider]),
        ("all by minute", Grain::Minute, 0, vec![Group::Minute]),
    ] {
        let by = By { grain, span: Span { from, to: u32::MAX }, groups, only: Vec::new() };
        timed(what, &|| by.ask(&db).map_or(0, |totals| totals.len()));
    }
}

/// Tells exchanges of 50 clients, 30 keys and 20 models, one in 97 of which failed.
fn tell(feed: &mut Feed, rows: u64, at_ms: &dyn Fn(u64) -> u64) {
    let names = Arc::new(crate::control::names::Names {
        clients: (0..50).map(|nth| format!("client-{nth}").into()).collect(),
        routes: ["main".into()].into(),
        providers: (0..10).map(|nth| format!("provider-{nth}").into()).collect(),
        keys: (0..30).map(|nth| format!("key-{nth}").into()).collect(),
        ..Default::default()
    });
    for nth in 0..rows {
        let unix_ms = at_ms(nth);
        let id = RequestId::new(unix_ms, (nth % 2) as u16, 7, nth as u32);
        let (few, model) = (nth as u16, format!("model-{}", nth % 20));
        let entry = Entry {
            client: few % 50,
            route: 0,
            provider: few % 10,
            key: few % 30,
            status: if few % 97 == 0 { 502 } else { 200 },
            outcome: if few % 97 == 0 { Outcome::UpstreamError } else { Outcome::Ok },
            attempts: 1,
            total_us: u64::from(few) * 100,
            first_token_us: u32::from(few) * 50,
            model_asked: Model::new("auto"),
            model_sent: Model::new(&model),
            tokens: crate::record::Tokens { input: 1_000, output: 200, said: true, ..Default::default() },
            ..Entry::begun(id, unix_ms, 1)
        };
        feed.exchange(&entry, &names);
        if (nth + 1).is_multiple_of(limits::STORE_BATCH_ROWS as u64) || nth + 1 == rows {
            while !feed.hand_over(true, || None) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
