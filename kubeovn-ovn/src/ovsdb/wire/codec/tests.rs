use proptest::prelude::*;

use super::{FrameError, Splitter};

fn split(limit: usize, pieces: &[&[u8]]) -> Result<Vec<String>, FrameError> {
    let mut splitter = Splitter::new(limit);
    let mut frames = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        while let Some(frame) = splitter.next_frame()? {
            frames.push(String::from_utf8(frame).unwrap());
        }
    }
    Ok(frames)
}

#[test]
fn brackets_and_quotes_inside_strings_do_not_count() {
    let frames = [r#"{"a":"}\"{[\\"}"#, r#"{"b":[{},["]"]]}"#, "{}"];
    let stream = frames.join(" \n");
    assert_eq!(split(100, &[stream.as_bytes()]).unwrap(), frames);
}

#[test]
fn a_stream_that_is_no_object_is_refused() {
    assert_eq!(split(100, &[b"{} nonsense"]), Err(FrameError::NoObject { byte: b'n' }));
    assert_eq!(split(100, &[b"{}]"]), Err(FrameError::NoObject { byte: b']' }));
}

#[test]
fn a_long_message_is_refused_as_soon_as_it_is_too_long() {
    assert_eq!(split(4, &[b"{} {}", b"{   "]), Ok(vec!["{}".into(), "{}".into()]));
    assert_eq!(split(4, &[b"{\"a\":"]), Err(FrameError::TooLong { limit: 4 }));
}

/// JSON objects with strings full of what a careless splitter stumbles over.
fn object() -> impl Strategy<Value = serde_json::Value> {
    let text = prop::collection::vec(
        prop::sample::select(vec!["{", "}", "[", "]", "\"", "\\", "a", "ü", "\n", "\u{1}"]),
        0..6,
    )
    .prop_map(|parts| parts.concat());
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        text.clone().prop_map(Into::into)
    ];
    let value = leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(text.clone(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::vec(value, 0..3).prop_map(|values| serde_json::json!({ "values": values }))
}

proptest! {
    #[test]
    fn any_cut_of_the_stream_gives_the_same_messages(
        objects in prop::collection::vec(object(), 0..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let frames: Vec<String> = objects.iter().map(ToString::to_string).collect();
        let stream = frames.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.push(0);
        cuts.push(stream.len());
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        prop_assert_eq!(split(1 << 20, &pieces).unwrap(), frames);
    }
}
