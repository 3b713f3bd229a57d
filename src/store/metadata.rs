//! What callers attach to a row: a flat JSON object.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Result, fail};

/// Bytes that a row's metadata may have as JSON.
pub const MAX_METADATA: usize = 64 << 10;
/// Bytes that a key may have.
const MAX_KEY: usize = 256;

/// A value of metadata, or of a filter.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(Box<str>),
}

/// A flat JSON object, in the order of its keys. Rows in memory have one each, so it is as small as it can be.
#[derive(Clone, Debug, Default)]
pub struct Metadata(Box<[(Box<str>, Scalar)]>);

impl Metadata {
    /// Reads JSON; the empty text is the empty object.
    pub fn parse(json: &str) -> Result<Self> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        if json.len() > MAX_METADATA {
            fail!(InvalidArgument, "metadata of {} bytes is too long: at most {MAX_METADATA}", json.len());
        }
        match serde_json::from_str::<Self>(json) {
            Ok(metadata) => match metadata.large().then(|| long_integer(json)).flatten() {
                Some(integer) => {
                    fail!(InvalidArgument, "metadata: the integer {integer} has more than 64 bits with its sign")
                }
                None => Ok(metadata),
            },
            Err(e) => fail!(
                InvalidArgument,
                "metadata is no flat JSON object (of strings, numbers, true, false and null): {e}"
            ),
        }
    }

    /// The object as JSON: equal objects give equal texts.
    pub fn to_json(&self) -> Result<String> {
        match serde_json::to_string(self) {
            Ok(json) => Ok(json),
            Err(e) => fail!(Internal, "metadata that was read cannot be written: {e}"),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Scalar> {
        let place = self.0.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        Some(&self.0[place].1)
    }

    /// Whether a number is larger than any integer that can be kept.
    fn large(&self) -> bool {
        self.0.iter().any(|(_, value)| matches!(value, Scalar::Real(real) if real.abs() >= 9_223_372_036_854_775_808.0))
    }

    /// The lengths of what it has allocated.
    pub fn allocations(&self) -> impl Iterator<Item = usize> {
        let text = |value: &Scalar| if let Scalar::Text(text) = value { text.len() } else { 0 };
        let texts = self.0.iter().flat_map(move |(key, value)| [key.len(), text(value)]);
        texts.chain([size_of_val(&*self.0)]).filter(|length| *length > 0)
    }
}

/// The first integer of a flat JSON object that would lose digits: a reader of JSON makes a real number of it.
fn long_integer(json: &str) -> Option<&str> {
    let (mut rest, mut in_text) = (json, false);
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        if c == '"' {
            in_text = !in_text;
        } else if in_text && c == '\\' {
            length = 2;
        } else if !in_text && (c == '-' || c.is_ascii_digit()) {
            length = rest.find([',', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
            let number = &rest[..length];
            if !number.contains(['.', 'e', 'E']) && number.parse::<i64>().is_err() {
                return Some(number);
            }
        }
        rest = &rest[length..];
    }
    None
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Scalar {
    /// The order of two numbers or two texts; `None` for what has no order.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            (Self::Real(a), Self::Real(b)) => a.partial_cmp(b),
            (Self::Integer(a), Self::Real(b)) => Some(order_of_numbers(*a, *b)),
            (Self::Real(a), Self::Integer(b)) => Some(order_of_numbers(*b, *a).reverse()),
            _ => None,
        }
    }

    /// Whether two values are of one type and the same; numbers are one type.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }
}

/// Exact, where `a as f64` could round to `b`; `b` is finite.
fn order_of_numbers(a: i64, b: f64) -> Ordering {
    if b >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if b < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let whole = b.trunc();
    a.cmp(&(whole as i64)).then_with(|| 0.0.partial_cmp(&(b - whole)).unwrap_or(Ordering::Equal))
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Metadata, A::Error> {
                let mut values: Vec<(Box<str>, Scalar)> = Vec::new();
                while let Some(key) = map.next_key::<Box<str>>()? {
                    if key.is_empty() || key.len() > MAX_KEY {
                        return Err(A::Error::custom(format!("a key has {} bytes, not 1 to {MAX_KEY}", key.len())));
                    }
                    values.push((key, map.next_value()?));
                }
                values.sort_by(|a, b| a.0.cmp(&b.0));
                if let Some(twice) = values.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                    return Err(A::Error::custom(format!("key '{}' is there twice", twice[0].0)));
                }
                Ok(Metadata(values.into()))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Value;
        impl Visitor<'_> for Value {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number, true, false or null")
            }

            fn visit_unit<E>(self) -> std::result::Result<Scalar, E> {
                Ok(Scalar::Null)
            }

            fn visit_bool<E>(self, value: bool) -> std::result::Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<Scalar, E> {
                match i64::try_from(value) {
                    Ok(value) => Ok(Scalar::Integer(value)),
                    Err(_) => Err(E::custom(format!("the integer {value} has more than 64 bits with its sign"))),
                }
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Scalar, E> {
                // Integers that are larger than any of 64 bits come here too: `Metadata::parse` looks for them.
                if value.is_finite() { Ok(Scalar::Real(value)) } else { Err(E::custom("a number is not finite")) }
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Scalar, E> {
                Ok(Scalar::Text(value.into()))
            }
        }
        deserializer.deserialize_any(Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_objects_have_equal_texts() {
        let text = |json: &str| Metadata::parse(json).unwrap().to_json().unwrap();
        assert_eq!(text(r#"{ "b": 1, "a": null }"#), r#"{"a":null,"b":1}"#);
        assert_eq!(text(r#"{"b":0.1,"a":"\u0041\u0000"}"#), r#"{"a":"A\u0000","b":0.1}"#);
        assert_eq!(text(""), "{}");
        assert_eq!(
            text(r#"{"a":1e30,"b":"\\\",99999999999999999999"}"#),
            r#"{"a":1e+30,"b":"\\\",99999999999999999999"}"#
        );
        for number in ["0.1", "1e300", "-0.0", "2.2250738585072011e-308", "123456.789e3", "9007199254740993"] {
            let once = text(&format!("{{\"a\":{number}}}"));
            assert_eq!(text(&once), once);
        }
    }

    #[test]
    fn what_is_not_flat_is_refused_by_name() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_METADATA));
        for (json, part) in [
            ("[]", "an object"),
            ("{", "EOF"),
            (r#"{"a":[]}"#, "sequence"),
            (r#"{"a":{}}"#, "map"),
            (r#"{"a":1,"a":2}"#, "'a' is there twice"),
            (r#"{"":1}"#, "0 bytes"),
            (r#"{"a":18446744073709551615}"#, "18446744073709551615"),
            (r#"{"a":18446744073709551616}"#, "18446744073709551616"),
            (r#"{"a":1e30,"\"b\\":"c, 1" , "d":[]}"#, "sequence"),
            (r#"{"a":1e30,"\"b\\":"c, 1" , "d": -99999999999999999999 }"#, "the integer -99999999999999999999 has"),
            (r#"{"a":1e999}"#, "out of range"),
            (r#"{"a":1} x"#, "trailing"),
            (long.as_str(), "too long"),
        ] {
            let e = Metadata::parse(json).unwrap_err();
            assert!(e.message().contains(part), "'{part}' is not in: {e}");
        }
    }

    #[test]
    fn numbers_compare_exactly_and_types_not_at_all() {
        use Scalar::{Bool, Integer, Null, Real, Text};
        let big = (1i64 << 53) + 1;
        assert_eq!(Integer(big).order(&Real(9_007_199_254_740_992.0)), Some(Ordering::Greater));
        assert_eq!(Integer(i64::MAX).order(&Real(9_223_372_036_854_775_808.0)), Some(Ordering::Less));
        assert_eq!(Real(-1.5).order(&Integer(-1)), Some(Ordering::Less));
        assert_eq!(Integer(-1).order(&Real(-1.5)), Some(Ordering::Greater));
        assert!(Integer(1).equals(&Real(1.0)) && Null.equals(&Null) && !Bool(true).equals(&Integer(1)));
        assert_eq!(Text("1".into()).order(&Integer(1)), None);
    }
}
