//! Filters as SQL with parameters.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, Error, Result};
use serde::{Deserialize, Serialize};

use super::{Field, Filter, Node, Test};
use crate::store::metadata::{Metadata, Scalar};

/// A condition in SQL, with its values in the order of their question marks.
pub struct Sql {
    pub text: String,
    pub values: Vec<Value>,
}

impl Sql {
    /// `filter` on the columns of the table or alias `of`; true where there is no filter.
    pub fn of(filter: Option<&Filter>, of: &str) -> Self {
        let mut sql = Self { text: String::new(), values: Vec::new() };
        match filter {
            Some(filter) => sql.node(&filter.node, of),
            None => sql.text.push_str("TRUE"),
        }
        sql
    }

    fn node(&mut self, node: &Node, of: &str) {
        match node {
            Node::And(nodes) => self.list(nodes, of, " AND ", "TRUE"),
            Node::Or(nodes) => self.list(nodes, of, " OR ", "FALSE"),
            Node::Not(node) => {
                self.text.push_str("NOT ");
                self.group(node, of);
            }
            Node::Test(field, test) => self.test(field, test, of),
        }
    }

    fn list(&mut self, nodes: &[Node], of: &str, between: &str, none: &str) {
        if nodes.is_empty() {
            self.text.push_str(none);
        }
        for (i, node) in nodes.iter().enumerate() {
            if i > 0 {
                self.text.push_str(between);
            }
            self.group(node, of);
        }
    }

    fn group(&mut self, node: &Node, of: &str) {
        self.text.push('(');
        self.node(node, of);
        self.text.push(')');
    }

    fn test(&mut self, field: &Field, test: &Test, of: &str) {
        let column = match field {
            Field::Id => "id",
            Field::SourceType => "source_type",
            Field::SourceId => "source_id",
            Field::Model => "model",
            Field::Chunk => "chunk",
            Field::CreatedAt => "created_at",
            Field::UpdatedAt => "updated_at",
            Field::Metadata(key) => {
                self.text.push_str(&format!("{FUNCTION}({of}.metadata, ?)"));
                let asked = Asked { key: key.clone(), test: test.clone() };
                // A structure of texts and numbers always becomes JSON.
                self.values.push(Value::Text(serde_json::to_string(&asked).unwrap_or_default()));
                return;
            }
        };
        let (operator, wanted) = match test {
            Test::Equal(wanted) => ("=", wanted),
            Test::Less(wanted) => ("<", wanted),
            Test::AtMost(wanted) => ("<=", wanted),
            Test::Greater(wanted) => (">", wanted),
            Test::AtLeast(wanted) => (">=", wanted),
            Test::In(any) => {
                let places = vec!["?"; any.len()].join(",");
                self.text.push_str(&format!("{of}.{column} IN ({places})"));
                self.values.extend(any.iter().map(value));
                return;
            }
            // Every row has its columns.
            Test::Exists => return self.text.push_str("TRUE"),
        };
        self.text.push_str(&format!("{of}.{column} {operator} ?"));
        self.values.push(value(wanted));
    }
}

/// Columns are compared with texts and integers only (see `parse`).
fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Integer(i64::from(*value)),
        Scalar::Integer(value) => Value::Integer(*value),
        Scalar::Real(value) => Value::Real(*value),
        Scalar::Text(value) => Value::Text(value.to_string()),
    }
}

const FUNCTION: &str = "qntx_embed_metadata_is";

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// What the function is asked, as JSON.
#[derive(Serialize, Deserialize)]
struct Asked {
    key: String,
    test: Test,
}

/// Registers the function that tests a key of the metadata: SQLite's own JSON functions read numbers in another way, and
/// a filter must mean the same in SQL and in memory.
pub fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(FUNCTION, 2, flags, |context| {
        // The question is the same for all rows of a statement, and read once.
        let asked = context.get_or_create_aux(1, |asked| -> std::result::Result<Asked, BoxedError> {
            Ok(serde_json::from_str(asked.as_str()?)?)
        })?;
        let metadata = Metadata::parse(context.get_raw(0).as_str()?).map_err(|e| Error::UserFunctionError(e.into()))?;
        Ok(asked.test.holds(metadata.get(&asked.key)))
    })
}
