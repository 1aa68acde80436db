//! Files written by hand; what real servers write is in `tests/file.rs`.

use sha1_smol::Sha1;

use super::*;
use crate::ovsdb::wire::{Datum, RowUpdate};

const SCHEMA: &str = r#"{"name":"T","tables":{"A":{"isRoot":true,"columns":{"n":{"type":"string"},
    "s":{"type":{"key":"integer","min":0,"max":"unlimited"}},"l":{"type":{"key":"string","min":1,"max":"unlimited"}},
    "m":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;
const ROW: &str = "11111111-1111-4111-8111-111111111111";

fn record(magic: &str, body: &str) -> String {
    let body = body.to_owned() + "\n";
    format!("OVSDB {magic} {} {}\n{body}", body.len(), Sha1::from(body.as_bytes()).digest())
}

fn standalone(transactions: &[&str]) -> String {
    let rest = transactions.iter().map(|txn| record("JSON", txn));
    [record("JSON", SCHEMA)].into_iter().chain(rest).collect()
}

fn column(contents: &Contents, column: &str) -> String {
    let RowUpdate::Initial(row) = &contents.rows["A"][&ROW.parse().unwrap()] else { panic!("{contents:?}") };
    serde_json::to_string(row.get(column).unwrap_or(&Datum::empty())).unwrap()
}

#[test]
fn whole_values_and_differences() {
    let born = format!(r#"{{"A":{{"{ROW}":{{"s":["set",[1,2]],"m":["map",[["a","1"],["b","2"]]]}}}}}}"#);
    // the word may come last
    let changed = format!(
        r#"{{"A":{{"{ROW}":{{"s":["set",[2,3]],"m":["map",[["a","9"],["b","2"]]],"l":["set",["","x"]]}}}},"_is_diff":true}}"#
    );
    let contents = read(standalone(&[&born, &changed]).as_bytes()).unwrap();
    assert_eq!(column(&contents, "s"), r#"["set",[1,3]]"#);
    assert_eq!(column(&contents, "m"), r#"["map",[["a","9"]]]"#);
    assert_eq!(column(&contents, "l"), r#""x""#, "a difference to the default, which is one empty string");
    assert_eq!((contents.transactions, contents.cut), (2, None));

    let whole = changed.replace(",\"_is_diff\":true", "");
    let contents = read(standalone(&[&born, &whole]).as_bytes()).unwrap();
    assert_eq!(column(&contents, "s"), r#"["set",[2,3]]"#, "as servers before OVS 2.15 wrote");
}

#[test]
fn a_cut_off_last_record_is_left_out_wherever_it_is_cut() {
    let born = format!(r#"{{"A":{{"{ROW}":{{"n":"x"}}}}}}"#);
    let (one, two) = (standalone(&[&born]), standalone(&[&born, &format!(r#"{{"A":{{"{ROW}":null}}}}"#)]));
    let first = standalone(&[]).len();
    for end in one.len() + 1..two.len() {
        let contents = read(&two.as_bytes()[..end]).unwrap();
        assert_eq!(column(&contents, "n"), r#""x""#, "cut at {end}");
        assert_eq!(contents.cut, Some(one.len() as u64), "cut at {end}");
    }
    assert!(read(two.as_bytes()).unwrap().rows.is_empty());
    for end in 0..first {
        let error = read(&two.as_bytes()[..end]).unwrap_err();
        assert!(matches!(error, FileError::Empty { .. }), "cut at {end}: {error}");
    }
}

#[test]
fn damage_is_an_error_with_its_place() {
    let file = standalone(&[r#"{"_comment":"one"}"#, r#"{"_comment":"two"}"#]);
    let second = standalone(&[]).len();
    let changed = file.replace("one", "0ne");
    let error = read(changed.as_bytes()).unwrap_err();
    assert!(
        matches!(error, FileError::Checksum { offset, record: 1, .. } if offset == second as u64),
        "{error}"
    );
    let third = standalone(&[r#"{"_comment":"one"}"#]).len();
    let error = read((file[..third].to_owned() + "\0\0\0\0" + &file[third..]).as_bytes()).unwrap_err();
    assert!(
        matches!(error, FileError::Record { offset, records: 2, .. } if offset == third as u64),
        "{error}"
    );
    let unknown = standalone(&[r#"{"B":{}}"#]);
    let error = read(unknown.as_bytes()).unwrap_err();
    assert!(
        matches!(&error, FileError::Content { record: 1, problem, .. } if problem.contains("table B")),
        "{error}"
    );
    let gone = standalone(&[&format!(r#"{{"A":{{"{ROW}":null}}}}"#)]);
    assert!(matches!(read(gone.as_bytes()), Err(FileError::Content { .. })));
    assert!(matches!(read(SCHEMA.as_bytes()), Err(FileError::Format { .. })), "a schema file");
    assert!(matches!(read(b"\x7fELF"), Err(FileError::Format { .. })));
}

#[test]
fn every_byte_of_a_file_matters() {
    let file = standalone(&[&format!(r#"{{"A":{{"{ROW}":{{"n":"x"}}}}}}"#)]);
    for at in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[at] ^= 1;
        let outcome = read(&bytes);
        // a longer length reads beyond the end, like a record that is cut off
        let whole = outcome.as_ref().is_ok_and(|contents| contents.cut.is_none());
        assert!(!whole, "byte {at}: {outcome:?}");
    }
}

fn cluster(records: &[&str]) -> String {
    let schema = SCHEMA.replace('\n', " ");
    let head = format!(r#"{{"prev_index":4,"prev_data":[{schema},{{"A":{{"{ROW}":{{"n":"old"}}}}}}]}}"#);
    [record("CLUSTER", &head)].into_iter().chain(records.iter().map(|body| record("CLUSTER", body))).collect()
}

fn entry(index: u64, name: &str) -> String {
    let txn = format!(r#"{{"A":{{"{ROW}":{{"n":"{name}"}}}},"_is_diff":true}}"#);
    format!(r#"{{"term":1,"index":{index},"eid":"x","data":[null,{txn}]}}"#)
}

#[test]
fn only_what_is_committed_counts() {
    let (five, six) = (entry(5, "five"), entry(6, "six"));
    let log: &[&str] = &[&five, r#"{"commit_index":5}"#, &six, r#"{"term":2,"vote":"y"}"#];
    let contents = read(cluster(log).as_bytes()).unwrap();
    assert_eq!((column(&contents, "n").as_str(), contents.uncommitted), (r#""five""#, 1));
    assert_eq!(column(&read(cluster(&[]).as_bytes()).unwrap(), "n"), r#""old""#);

    // another leader overrules what was not committed
    let (other, seven) = (entry(6, "other"), entry(7, "never"));
    let log: &[&str] = &[&five, &six, &seven, &other, r#"{"commit_index":6}"#];
    let contents = read(cluster(log).as_bytes()).unwrap();
    assert_eq!((column(&contents, "n").as_str(), contents.uncommitted), (r#""other""#, 0));
}

#[test]
fn a_schema_in_the_log_begins_anew_or_keeps_the_rows() {
    let schema = SCHEMA.replace('\n', " ").replace("\"A\"", "\"B\"");
    let anew = format!(r#"{{"index":5,"data":[{schema},{{"B":{{"{ROW}":{{"n":"b"}}}}}}]}}"#);
    let contents = read(cluster(&[&anew, r#"{"commit_index":5}"#]).as_bytes()).unwrap();
    assert_eq!(contents.rows.keys().map(|name| &**name).collect::<Vec<_>>(), ["B"]);
    let fewer = SCHEMA.replace('\n', " ").replace(r#""n":{"type":"string"},"#, "");
    let kept = format!(r#"{{"index":5,"data":[{fewer},null]}}"#);
    let contents = read(cluster(&[&kept, r#"{"commit_index":5}"#]).as_bytes()).unwrap();
    assert_eq!(contents.rows["A"].len(), 1);
    assert_eq!(column(&contents, "n"), r#"["set",[]]"#, "the column is gone");
}

#[test]
fn a_server_that_has_not_joined_has_no_rows() {
    let file = record("CLUSTER", r#"{"server_id":"x","name":"T","remote_addresses":["tcp:10.0.0.1:6643"]}"#);
    let error = read(file.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("tcp:10.0.0.1:6643"), "{error}");
}
