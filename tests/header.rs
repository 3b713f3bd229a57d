//! The committed header, its page in docs, its copy in tests/abi and the list of exports are what the sources say, and each
//! function is called by a C program of the tests. `QNTX_EMBED_WRITE_HEADER=1` (`make header`) writes all but the list.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fmt::Write;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> String {
    let root = root();
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    // cbindgen follows the `mod` lines of this file through the folder.
    let builder = cbindgen::Builder::new().with_config(config).with_src(root.join("src/ffi/mod.rs"));
    let mut generated = Vec::new();
    builder.generate().unwrap().write(&mut generated);
    // Rust's "# Safety" chapters are for Rust's checker; C's reader has the header's front chapter instead.
    without_safety(&String::from_utf8(generated).unwrap())
}

fn committed_is(file: &str, generated: &str) {
    let path = root().join(file);
    if std::env::var_os("QNTX_EMBED_WRITE_HEADER").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{file} is not what src/ffi says: run 'make header' and commit it");
}

#[test]
fn the_committed_header_is_what_the_sources_say() {
    committed_is("include/qntx_embed.h", &generated());
}

/// What older programs were compiled with stays in tests/abi, and is compiled against the library by `make test-c`. Until a
/// release is out its folder follows the sources; from then on nothing writes to it.
#[test]
fn the_folder_of_a_release_has_its_header_and_examples() {
    let release = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0;
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let title = changelog.lines().find(|line| line.starts_with("## ")).unwrap();
    if title.contains("not released yet") {
        committed_is(&format!("tests/abi/{release}/qntx_embed.h"), &generated());
        for example in ["similarity.c", "store.c"] {
            let source = std::fs::read_to_string(root().join("examples").join(example)).unwrap();
            committed_is(&format!("tests/abi/{release}/{example}"), &source);
        }
    }
    assert!(root().join("tests/abi").join(release).join("qntx_embed.h").exists(), "tests/abi has no {release}");
}

#[test]
fn the_page_of_the_c_api_is_what_the_header_says() {
    committed_is("docs/c-api.md", &page(&generated()));
}

#[test]
fn every_function_is_in_the_list_of_exports_and_called_by_a_test_in_c() {
    let header = generated();
    let mut functions: Vec<&str> = blocks(&header)
        .filter_map(|(_, code)| function(&code.join("\n")).map(|(name, _)| name.to_owned()))
        .map(|name| &*name.leak())
        .collect();
    functions.sort_unstable();
    let listed = std::fs::read_to_string(root().join("tests/abi/exports.txt")).unwrap_or_default();
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        functions,
        "tests/abi/exports.txt is not the header's functions; where that is meant, change it, and say so in CHANGELOG.md"
    );
    let tests: String = root()
        .join("tests/c")
        .read_dir()
        .unwrap()
        .map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap())
        .collect();
    for name in functions {
        // Called as it is, or by a macro of the harness.
        let called = tests.contains(&format!("{name}(")) || tests.contains(&format!("{name},"));
        assert!(called, "no program in tests/c calls {name}");
    }
}

/// The rows of tests/c/misuse.c that a parameter needs, by its type; one of those in each list.
fn rows_wanted(parameter: &str, has_status: bool) -> Vec<&'static [&'static str]> {
    let structure = |name: &str| parameter.contains(&format!("struct qntx_embed_{name} "));
    let objects = ["model", "store", "cancel", "error", "rows", "text", "chunks", "call", "completions"];
    let object = !parameter.contains("**") && objects.iter().any(|name| structure(name));
    let sized = !parameter.contains("**")
        && ["_options *", "_info *", "_stats *", "_report *", "_record *"].iter().any(|end| parameter.contains(end))
        && !structure("text_info");
    match parameter {
        _ if object && has_status => vec![&["HANDLE", "HANDLE_OR_NULL"]],
        _ if object => vec![&["COUNTS_AS_NULL", "FREES_ONLY_ITS_OWN"]],
        // Written in words there: a count that may be NULL, a blob.
        _ if !has_status => vec![],
        _ if sized => vec![&["NULL_REFUSED", "NULL_TAKEN"], &["SIZE", "SIZE_FILLED"]],
        _ if parameter.contains('*') => vec![&["NULL_REFUSED", "NULL_TAKEN"]],
        _ if structure("str") => vec![&["TEXT"]],
        _ if parameter.starts_with("size_t ") => vec![&["LENGTH"]],
        _ if parameter.starts_with("uint32_t ") => vec![&["NUMBER"]],
        // A number of the caller's own: none is wrong.
        "uint64_t tag" => vec![],
        other => panic!("tests/header.rs does not know how '{other}' can be wrong: say it in rows_wanted"),
    }
}

#[test]
fn the_table_of_misuse_has_rows_for_each_parameter_of_each_function() {
    let table = std::fs::read_to_string(root().join("tests/c/misuse.c")).unwrap();
    let header = generated();
    let mut missing = Vec::new();
    for (_, code) in blocks(&header) {
        let code = code.join(" ");
        let Some((name, _)) = function(&code) else { continue };
        let name = name.to_owned();
        let parameters = code.split_once('(').unwrap().1.trim_end_matches(");");
        let has_status = parameters.contains("struct qntx_embed_error **error");
        for parameter in parameters.split(',').map(|p| p.split_whitespace().collect::<Vec<_>>().join(" ")) {
            if parameter == "void" || parameter.contains("qntx_embed_error **") {
                continue;
            }
            let word = parameter.rsplit([' ', '*']).next().unwrap();
            for rows in rows_wanted(&parameter, has_status) {
                // Rows of all functions that take records are in a macro of their own.
                let there = rows.iter().any(|row| table.contains(&format!("{row}({name}, {word}")))
                    || (table.contains(&format!("RECORDS({name})")) && ["store", "records", "count"].contains(&word));
                if !there {
                    missing.push(format!("{}({name}, {word})", rows.join(" or ")));
                }
            }
        }
    }
    assert!(missing.is_empty(), "tests/c/misuse.c has no row\n{}", missing.join("\n"));
}

/// The header in parts: comment lines without their slashes, and the code after them.
fn blocks(header: &str) -> impl Iterator<Item = (Vec<&str>, Vec<&str>)> {
    header.split("\n\n").map(|block| {
        let lines: Vec<&str> = block.trim_matches('\n').lines().collect();
        let comment = lines.iter().take_while(|l| l.starts_with("//")).count();
        let text =
            lines[..comment].iter().map(|l| l.trim_start_matches("//")).map(|l| l.strip_prefix(' ').unwrap_or(l));
        (text.collect(), lines[comment..].to_vec())
    })
}

/// A function's name, and its declaration without the `struct`s that C does not need here.
fn function(code: &str) -> Option<(&str, String)> {
    let (before, _) = code.strip_suffix(");")?.split_once('(')?;
    let name = before.rsplit([' ', '*']).next()?;
    (name.starts_with("qntx_embed_") && !code.starts_with("typedef")).then(|| (name, code.replace("struct ", "")))
}

/// The header as a page: its front chapter, then each function, then the types and numbers.
fn page(header: &str) -> String {
    let mut page = String::from("# The C API\n\n`include/qntx_embed.h` as a page; `make header` writes it.\n");
    let (front, _) = blocks(header).next().unwrap();
    let mut chapter = "";
    for line in front {
        let text = line.strip_prefix("  ");
        match text {
            Some(text) if chapter == "In short" => writeln!(page, "    {text}").unwrap(),
            Some(text) => writeln!(page, "{text}").unwrap(),
            None if line.is_empty() || line.contains(':') || line.starts_with("This file") => {}
            None => {
                chapter = line;
                write!(page, "\n## {chapter}\n\n").unwrap();
            }
        }
    }
    let blocks: Vec<_> = blocks(header).skip(1).filter(|(text, code)| !text.is_empty() && !code.is_empty()).collect();
    page.push_str("\n## Functions\n");
    for (text, code) in &blocks {
        if let Some((name, declaration)) = function(&code.join("\n")) {
            write!(page, "\n### {name}\n\n```c\n{declaration}\n```\n\n{}\n", text.join("\n")).unwrap();
        }
    }
    page.push_str("\n## Types and numbers\n");
    for (text, code) in &blocks {
        let code = code.join("\n");
        if function(&code).is_none() && !code.starts_with("#ifndef") {
            write!(page, "\n```c\n{code}\n```\n\n{}\n", text.join("\n")).unwrap();
        }
    }
    page
}

fn without_safety(header: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in header.lines() {
        if line.trim() == "// # Safety" {
            skipping = true;
            while kept.last().is_some_and(|l| l.trim() == "//") {
                kept.pop();
            }
        } else if !line.trim_start().starts_with("//") {
            skipping = false;
        }
        if !skipping {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}
