//! Parses lines that are JSON objects: loggers' JSON forms, and objects that collectors
//! wrap a line into.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::{End, Field, MAX_FIELDS, Value};

/// Keys of the message in loggers' objects: CometBFT, zerolog, zap and slog,
/// OpenTelemetry.
pub(super) const MESSAGE_KEYS: [&str; 4] = ["_msg", "message", "msg", "body"];

/// Keys of the level.
pub(super) const LEVEL_KEYS: [&str; 5] = ["level", "lvl", "severity", "severityText", "@l"];

/// Keys of the time.
pub(super) const TIME_KEYS: [&str; 4] = ["t", "time", "ts", "timestamp"];

/// Keys of the origin.
pub(super) const ORIGIN_KEYS: [&str; 4] = ["logger", "caller", "source", "name"];

/// Keys of the line in collectors' objects.
const LINE_KEYS: [&str; 7] = [
    "log",
    "message",
    "MESSAGE",
    "body",
    "msg",
    "line",
    "textPayload",
];

/// Keys that log shippers put beside a line. One of them shows that the node did not
/// print the object.
const SHIPPERS_KEYS: [&str; 14] = [
    "source_type",
    "@timestamp",
    "kubernetes",
    "docker",
    "container_id",
    "container_name",
    "logName",
    "insertId",
    "logStream",
    "observedTimeUnixNano",
    "timeUnixNano",
    "observedTimestamp",
    "_SYSTEMD_UNIT",
    "SYSLOG_IDENTIFIER",
];

/// Objects whose members are fields of the entry: OpenTelemetry, tracing, Google's logs.
const INNER_KEYS: [&str; 4] = ["attributes", "fields", "jsonPayload", "body"];

/// Most records in one line of OpenTelemetry's protocol.
const MAX_RECORDS: usize = 4096;

/// Parses the object that `text` begins with; returns its fields and what follows it.
/// `None` if the object is cut or broken.
///
/// Nested objects and lists are fields without a value.
pub(super) fn object(text: &[u8]) -> Option<(Vec<Field<'_>>, &[u8])> {
    let mut objects = serde_json::Deserializer::from_slice(text).into_iter::<Object<'_>>();
    let Object(fields) = objects.next()?.ok()?;
    let rest = text.get(objects.byte_offset()..).unwrap_or_default();
    Some((fields, rest))
}

/// The lines that a collector wrapped into the object `line`; none for any other line.
pub(super) fn collected(line: &[u8]) -> Vec<(Cow<'_, [u8]>, End)> {
    let text = line.trim_ascii_start();
    if !text.starts_with(b"{") {
        return Vec::new();
    }
    let Some((fields, _)) = object(text) else {
        // A torn json-file line does not show whether docker cut the text in it, so
        // nothing in it is believed.
        let torn = text.starts_with(br#"{"log":"#);
        return Vec::from_iter(torn.then_some((Cow::Borrowed(&[][..]), End::Cut)));
    };
    let has = |key: &str| fields.iter().any(|field| field.is(key));
    let logged = MESSAGE_KEYS.iter().chain(&LEVEL_KEYS).any(|key| has(key));
    // A logger's own entry may have a field of that name with any text in it.
    if !logged && has("log") && has("stream") {
        return Vec::from_iter(of_docker(fields));
    }
    if !logged && has("__REALTIME_TIMESTAMP") {
        return Vec::from_iter(of_journald(text, fields));
    }
    if [
        "resourceLogs",
        "attributes",
        "fields",
        "jsonPayload",
        "timeUnixNano",
    ]
    .iter()
    .any(|key| has(key))
    {
        let records = of_records(text);
        if !records.is_empty() {
            return records;
        }
    }
    Vec::from_iter(of_shipper(fields))
}

/// Docker cuts a line after 16 KiB. Only the last part ends with a newline.
fn of_docker(fields: Vec<Field<'_>>) -> Option<(Cow<'_, [u8]>, End)> {
    let text = fields
        .into_iter()
        .find(|field| field.is("log"))?
        .value?
        .text;
    Some(match text.strip_suffix(b"\n") {
        Some(line) => (Cow::Owned(line.to_vec()), End::Newline),
        None => (text, End::Cut),
    })
}

/// journald writes messages with unprintable bytes, such as colours, as a list of
/// numbers.
fn of_journald<'a>(text: &'a [u8], fields: Vec<Field<'a>>) -> Option<(Cow<'a, [u8]>, End)> {
    let message = fields.into_iter().find(|field| field.is("MESSAGE"))?;
    let text = match message.value {
        Some(value) => value.text,
        None => {
            let entry: Map<String, Json> = serde_json::from_slice(text).ok()?;
            let bytes = entry.get("MESSAGE")?.as_array()?.iter();
            let byte = |number: &Json| u8::try_from(number.as_u64()?).ok();
            Cow::Owned(bytes.map(byte).collect::<Option<Vec<u8>>>()?)
        }
    };
    let line = text.strip_suffix(b"\n").map(<[u8]>::to_vec);
    Some((line.map_or(text, Cow::Owned), End::Newline))
}

/// The line in a shipper's object: it has a member with the text, a shipper's key beside
/// it, and no level.
fn of_shipper(fields: Vec<Field<'_>>) -> Option<(Cow<'_, [u8]>, End)> {
    let has = |key: &&str| fields.iter().any(|field| field.is(key));
    if LEVEL_KEYS.iter().any(has) || !SHIPPERS_KEYS.iter().any(has) {
        return None;
    }
    let is_line = |field: &Field<'_>| LINE_KEYS.iter().any(|key| field.is(key));
    let line = fields.into_iter().find(is_line)?.value?.text;
    Some((Cow::Owned(line.trim_ascii_end().to_vec()), End::Newline))
}

/// Records that keep their fields in a nested object, as lines of plain JSON. If a record
/// has a line of text, that line instead.
fn of_records(text: &[u8]) -> Vec<(Cow<'static, [u8]>, End)> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Json>();
    let Some(Ok(value)) = values.next() else {
        return Vec::new();
    };
    let lists = |value: &Json, key: &str| -> Vec<Json> {
        let list = value.get(key).and_then(Json::as_array);
        list.cloned().unwrap_or_default()
    };
    let records: Vec<Json> = match value.get("resourceLogs") {
        Some(_) => lists(&value, "resourceLogs")
            .iter()
            .flat_map(|resource| lists(resource, "scopeLogs"))
            .flat_map(|scope| lists(&scope, "logRecords"))
            .take(MAX_RECORDS)
            .collect(),
        None => vec![value],
    };
    let flat = records.into_iter().filter_map(flat_record);
    flat.map(|line| (Cow::Owned(line), End::Newline)).collect()
}

/// One record as plain JSON, or its line. `None` if it has no nested fields, or a message
/// beside them.
fn flat_record(record: Json) -> Option<Vec<u8>> {
    let Json::Object(record) = record else {
        return None;
    };
    let mut flat = Map::new();
    let own = ["_msg", "message", "msg"];
    let has_message = own.iter().any(|key| record.contains_key(*key));
    let mut found = false;
    for (key, value) in record {
        let value = plain(value);
        match value {
            Json::Object(inner) if !has_message && INNER_KEYS.contains(&key.as_str()) => {
                found = true;
                flat.extend(inner);
            }
            value => {
                found |= key == "body";
                flat.insert(key, value);
            }
        }
    }
    if !found || has_message {
        return None;
    }
    // A record without a level is a line that was read from a file.
    let levelled = LEVEL_KEYS.iter().any(|key| {
        let level = flat.get(*key).and_then(Json::as_str);
        level.is_some_and(|level| !level.is_empty())
    });
    let body = flat.get("body").and_then(Json::as_str);
    let headed = |body: &&str| {
        let own = super::prefix::read(body.as_bytes()).rest;
        super::head::stands_at(own)
    };
    let line = body.filter(|body| !levelled || headed(body));
    Some(match line {
        Some(line) => line.trim_end().as_bytes().to_vec(),
        None => Json::Object(flat).to_string().into_bytes(),
    })
}

/// Converts a value of OpenTelemetry's protocol to plain JSON: `{"stringValue": ...}`,
/// and lists of `{"key": ..., "value": ...}`.
fn plain(value: Json) -> Json {
    match value {
        Json::Object(object) if object.len() == 1 => {
            let known = ["stringValue", "intValue", "boolValue", "doubleValue"];
            let first = known.iter().find_map(|key| object.get(*key));
            first.cloned().unwrap_or(Json::Object(object))
        }
        Json::Array(list) if list.iter().all(|item| item.get("key").is_some()) => {
            let pair = |item: Json| {
                let key = item.get("key")?.as_str()?.to_owned();
                Some((key, plain(item.get("value")?.clone())))
            };
            Json::Object(list.into_iter().filter_map(pair).collect())
        }
        value => value,
    }
}

struct Object<'a>(Vec<Field<'a>>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Scalar(key)) = map.next_key::<Scalar<'de>>()? {
            let Scalar(text) = map.next_value()?;
            if fields.len() < MAX_FIELDS {
                let value = text.map(|text| Value {
                    text,
                    end: End::Closed,
                });
                let key = key.unwrap_or_default();
                fields.push(Field { key, value });
            }
        }
        Ok(Object(fields))
    }
}

/// A text, or a whole number as its digits; `None` for anything else.
struct Scalar<'a>(Option<Cow<'a, [u8]>>);

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Cow::Borrowed(text.as_bytes()))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Cow::Owned(text.as_bytes().to_vec()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Cow::Owned(number.to_string().into_bytes()))))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
    }
}
