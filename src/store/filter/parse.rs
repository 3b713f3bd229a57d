//! JSON into filters, strictly: what is not understood is refused, and the place named.

use serde_json::Value;

use super::{Field, Node, Test};
use crate::error::{Result, fail};
use crate::store::metadata::Scalar;

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 16;
/// Conditions and values together; SQLite takes no more than 32,766 parameters.
const MAX_VALUES: usize = 10_000;

pub fn filter(json: &str) -> Result<Node> {
    if json.len() > MAX_BYTES {
        fail!(InvalidArgument, "the filter has {} bytes; at most {MAX_BYTES}", json.len());
    }
    let value: Value = match serde_json::from_str(json) {
        Ok(value) => value,
        Err(e) => fail!(InvalidArgument, "the filter is not JSON: {e}"),
    };
    Parser { values: 0 }.node(&value, &Place { parent: None, index: 0 })
}

/// Where in the filter something is; written out only for an error: `filter[2][1]`.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    index: usize,
}

impl Place<'_> {
    fn depth(&self) -> usize {
        self.parent.map_or(0, |p| p.depth() + 1)
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.parent {
            None => f.write_str("filter"),
            Some(parent) => write!(f, "{parent}[{}]", self.index),
        }
    }
}

struct Parser {
    values: usize,
}

impl Parser {
    fn count(&mut self, place: &Place<'_>) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            fail!(InvalidArgument, "{place}: the filter has more than {MAX_VALUES} conditions and values");
        }
        Ok(())
    }

    fn node(&mut self, value: &Value, place: &Place<'_>) -> Result<Node> {
        self.count(place)?;
        if place.depth() >= MAX_DEPTH {
            fail!(InvalidArgument, "{place}: the filter is more than {MAX_DEPTH} levels deep");
        }
        let Some((Value::String(operator), rest)) = value.as_array().and_then(|a| a.split_first()) else {
            fail!(
                InvalidArgument,
                "{place} is {}, not a condition such as [\"=\", \"source_type\", \"manual\"]",
                shown(value)
            );
        };
        let nodes = |parser: &mut Self| {
            let node = |(i, v): (usize, &Value)| parser.node(v, &Place { parent: Some(place), index: i + 1 });
            rest.iter().enumerate().map(node).collect::<Result<Vec<_>>>()
        };
        match (operator.as_str(), rest) {
            ("and", _) => Ok(Node::And(nodes(self)?)),
            ("or", _) => Ok(Node::Or(nodes(self)?)),
            ("not", [value]) => Ok(Node::Not(Box::new(self.node(value, &Place { parent: Some(place), index: 1 })?))),
            ("exists", [field]) => Ok(Node::Test(field_of(field, place)?, Test::Exists)),
            ("in", [field, values]) => {
                let field = field_of(field, place)?;
                let Some(values) = values.as_array() else {
                    fail!(InvalidArgument, "{place}[2] is {}, not an array of values", shown(values));
                };
                let at = Place { parent: Some(place), index: 2 };
                let operand = |(i, v): (usize, &Value)| self.operand(&field, v, &Place { parent: Some(&at), index: i });
                let mut values = values.iter().enumerate().map(operand).collect::<Result<Vec<_>>>()?;
                if values.iter().all(|v| matches!(v, Scalar::Text(_))) {
                    values.sort_by(|a, b| a.order(b).unwrap_or(std::cmp::Ordering::Equal));
                }
                Ok(Node::Test(field, Test::In(values)))
            }
            ("=" | "!=" | "<" | "<=" | ">" | ">=", [field, value]) => {
                let field = field_of(field, place)?;
                let at = Place { parent: Some(place), index: 2 };
                let wanted = self.operand(&field, value, &at)?;
                if !matches!(operator.as_str(), "=" | "!=") && matches!(wanted, Scalar::Null | Scalar::Bool(_)) {
                    fail!(InvalidArgument, "{at} is {}: '{operator}' takes a number or a text", shown(value));
                }
                Ok(match operator.as_str() {
                    "=" => Node::Test(field, Test::Equal(wanted)),
                    "!=" => Node::Not(Box::new(Node::Test(field, Test::Equal(wanted)))),
                    "<" => Node::Test(field, Test::Less(wanted)),
                    "<=" => Node::Test(field, Test::AtMost(wanted)),
                    ">" => Node::Test(field, Test::Greater(wanted)),
                    _ => Node::Test(field, Test::AtLeast(wanted)),
                })
            }
            ("not" | "exists", _) => {
                fail!(InvalidArgument, "{place}: '{operator}' takes 1 argument, here are {}", rest.len())
            }
            ("in" | "=" | "!=" | "<" | "<=" | ">" | ">=", _) => {
                fail!(InvalidArgument, "{place}: '{operator}' takes a field and a value, here are {}", rest.len())
            }
            _ => fail!(
                InvalidArgument,
                "{place}[0] is {}, not one of and, or, not, =, !=, <, <=, >, >=, in, exists",
                shown(&Value::String(operator.clone()))
            ),
        }
    }

    fn operand(&mut self, field: &Field, value: &Value, place: &Place<'_>) -> Result<Scalar> {
        self.count(place)?;
        let scalar = match value {
            Value::Null => Scalar::Null,
            Value::Bool(value) => Scalar::Bool(*value),
            Value::String(value) => Scalar::Text(value.as_str().into()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Scalar::Integer(value),
                (None, Some(value)) if number.is_f64() => Scalar::Real(value),
                _ => fail!(InvalidArgument, "{place}: the integer {number} has more than 64 bits with its sign"),
            },
            _ => fail!(InvalidArgument, "{place} is {}, not a string, number, true, false or null", shown(value)),
        };
        match (field, scalar) {
            (Field::Metadata(_), scalar) => Ok(scalar),
            (Field::Chunk, scalar @ Scalar::Integer(_)) => Ok(scalar),
            (Field::Chunk, _) => fail!(InvalidArgument, "{place} is {}: chunk is an integer", shown(value)),
            (Field::CreatedAt | Field::UpdatedAt, Scalar::Text(text)) => match time(&text) {
                Some(time) => Ok(Scalar::Text(time.into())),
                None => fail!(
                    InvalidArgument,
                    "{place} is {}: a time is written in UTC with at most milliseconds, 2026-01-31T23:59:59.999Z",
                    shown(value)
                ),
            },
            (Field::CreatedAt | Field::UpdatedAt, _) => {
                fail!(InvalidArgument, "{place} is {}, not a time such as \"2026-01-31T23:59:59Z\"", shown(value))
            }
            (_, scalar @ Scalar::Text(_)) => Ok(scalar),
            _ => fail!(InvalidArgument, "{place} is {}: this field is a text", shown(value)),
        }
    }
}

fn field_of(value: &Value, place: &Place<'_>) -> Result<Field> {
    Ok(match value.as_str() {
        Some("id") => Field::Id,
        Some("source_type") => Field::SourceType,
        Some("source_id") => Field::SourceId,
        Some("model") => Field::Model,
        Some("chunk") => Field::Chunk,
        Some("created_at") => Field::CreatedAt,
        Some("updated_at") => Field::UpdatedAt,
        Some(name) if name.strip_prefix("metadata.").is_some_and(|key| !key.is_empty()) => {
            Field::Metadata(name["metadata.".len()..].to_owned())
        }
        _ => fail!(
            InvalidArgument,
            "{place}[1] is {}, not one of id, source_type, source_id, model, chunk, created_at, updated_at, metadata.KEY",
            shown(value)
        ),
    })
}

/// A time as the table has it, with milliseconds, so that texts are in the order of their times.
fn time(text: &str) -> Option<String> {
    let body = text.strip_suffix('Z')?;
    let (seconds, fraction) = body.split_once('.').map_or((body, None), |(s, f)| (s, Some(f)));
    let shape = b"0000-00-00T00:00:00";
    let shaped = seconds.len() == shape.len()
        && seconds.bytes().zip(shape).all(|(b, s)| if *s == b'0' { b.is_ascii_digit() } else { b == *s });
    if !shaped {
        return None;
    }
    let part = |from: usize, to: usize| seconds[from..to].parse::<u32>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days || part(11, 13)? > 23 || part(14, 16)? > 59 || part(17, 19)? > 59 {
        return None;
    }
    let fraction = fraction.unwrap_or("0");
    if fraction.is_empty() || fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(format!("{seconds}.{fraction:0<3}Z"))
}

/// A part of the filter for a message: short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        let deep = "[\"not\",".repeat(17) + "[\"and\"]" + &"]".repeat(17);
        let many = format!("[\"in\",\"id\",[{}]]", vec!["\"x\""; MAX_VALUES].join(","));
        let long = format!("[\"=\",\"id\",\"{}\"]", "x".repeat(MAX_BYTES));
        for (json, part) in [
            ("", "not JSON"),
            ("[\"and\"] x", "not JSON"),
            ("{}", "filter is {}, not a condition"),
            ("[]", "filter is [], not a condition"),
            ("[1]", "not a condition"),
            (r#"["xor"]"#, "filter[0] is \"xor\", not one of and"),
            (r#"["and",["or",["=","id"]]]"#, "filter[1][1]: '=' takes a field and a value"),
            (r#"["and",["=","colour","red"]]"#, "filter[1][1] is \"colour\""),
            (r#"["=","metadata.","red"]"#, "metadata.KEY"),
            (r#"["=","id",1]"#, "filter[2] is 1: this field is a text"),
            (r#"["=","chunk","1"]"#, "filter[2] is \"1\": chunk is an integer"),
            (r#"["in","chunk",[1,1.5]]"#, "filter[2][1] is 1.5: chunk"),
            (r#"["in","id","x"]"#, "filter[2] is \"x\", not an array"),
            (r#"["<","metadata.a",null]"#, "'<' takes a number or a text"),
            (r#"[">=","metadata.a",true]"#, "'>=' takes a number or a text"),
            (r#"["=","metadata.a",[1]]"#, "filter[2] is [1], not a string"),
            (r#"["=","metadata.a",18446744073709551615]"#, "18446744073709551615 has more than 64 bits"),
            (r#"["not"]"#, "'not' takes 1 argument, here are 0"),
            (r#"["exists","id","x"]"#, "'exists' takes 1 argument, here are 2"),
            (r#"["<","created_at","2026-02-30T00:00:00Z"]"#, "a time is written in UTC"),
            (r#"["<","created_at","2026-02-03T00:00:00+01:00"]"#, "a time is written in UTC"),
            (r#"["<","created_at","2026-02-03T00:00:00.1234Z"]"#, "a time is written in UTC"),
            (r#"["<","created_at",3]"#, "not a time"),
            (deep.as_str(), "16 levels"),
            (many.as_str(), "more than 10000"),
            (long.as_str(), "1048589 bytes"),
        ] {
            let e = filter(json).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(e.contains(part), "'{part}' is not in: {e}");
        }
    }

    #[test]
    fn times_are_written_as_the_table_has_them() {
        assert_eq!(time("2024-02-29T23:59:59Z").as_deref(), Some("2024-02-29T23:59:59.000Z"));
        assert_eq!(time("2026-01-31T00:00:00.5Z").as_deref(), Some("2026-01-31T00:00:00.500Z"));
        assert_eq!(time("2023-02-29T00:00:00Z"), None);
        assert_eq!(time("2026-01-31T24:00:00Z"), None);
    }
}
