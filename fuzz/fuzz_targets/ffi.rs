//! Sequences of calls through the C ABI with arguments of any kind: after each, a status and its error agree, and what was
//! given can be read and freed.
#![no_main]

use std::ffi::CStr;
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use qntx_embed::ffi::*;

/// Bytes, or NULL with a length of 0.
#[derive(Arbitrary, Debug)]
struct Text(Option<Vec<u8>>);

impl Text {
    fn lend(&self) -> qntx_embed_str {
        match &self.0 {
            Some(bytes) => qntx_embed_str { ptr: bytes.as_ptr().cast(), len: bytes.len() },
            None => qntx_embed_str { ptr: null(), len: 0 },
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Record {
    id: Text,
    source_type: u8,
    source_id: u8,
    text: Text,
    fingerprint: bool,
    metadata: Text,
    vector: Option<Vec<f32>>,
    chunk: u8,
    chunk_start: u64,
    chunk_end: u64,
    size: Option<u16>,
}

#[derive(Arbitrary, Debug)]
struct Search {
    query: Option<Vec<f32>>,
    fingerprint: bool,
    filter: Text,
    words: Text,
    like: Text,
    after_id: Text,
    limit: u32,
    candidates: u16,
    depth: u16,
    floats: [f32; 6],
    index: u8,
    flags: [bool; 2],
    size: Option<u16>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Put(Vec<Record>),
    Get(Text),
    GetSource(u8, u8),
    DeleteSource(u8, u8),
    DeleteIds(Vec<Text>),
    DeleteWhere(Text),
    Count(Text, Text),
    List { filter: Text, after_id: Text, limit: u32, size: Option<u16> },
    Search(Box<Search>),
    Stats,
    Verify(u32),
    Optimize,
    Blob(Vec<f32>),
    FromBlob(Vec<u8>, u8),
    Similarity(Vec<f32>, Vec<f32>),
}

const NAMES: [&str; 4] = ["", "manual", "note", "x"];

fn name(which: u8) -> qntx_embed_str {
    let name = NAMES[which as usize % NAMES.len()];
    qntx_embed_str { ptr: name.as_ptr().cast(), len: name.len() }
}

fn fingerprint(some: bool) -> qntx_embed_str {
    name(if some { 3 } else { 0 })
}

/// Looks at what a call says, and frees its error.
fn said(status: qntx_embed_status, error: *mut qntx_embed_error) -> bool {
    assert_eq!(status == qntx_embed_status::Ok, error.is_null(), "status {status:?}");
    // SAFETY: an error of the library's, or NULL.
    unsafe {
        if !error.is_null() {
            assert_eq!(qntx_embed_error_status(error.as_ref()), status);
            let message = CStr::from_ptr(qntx_embed_error_message(error.as_ref())).to_str().expect("UTF-8");
            assert!(!message.is_empty() && !message.contains("panic"), "{message}");
            qntx_embed_error_free(error);
        }
    }
    status == qntx_embed_status::Ok
}

/// Reads all of some rows, and frees them.
unsafe fn read(rows: *mut qntx_embed_rows) {
    unsafe {
        let mut count = 0;
        let pointers = qntx_embed_rows_get(rows.as_ref(), &mut count);
        for i in 0..count {
            let row = &**pointers.add(i);
            for text in [&row.id, &row.source_type, &row.source_id, &row.text, &row.model, &row.fingerprint, &row.metadata] {
                std::str::from_utf8(std::slice::from_raw_parts(text.ptr.cast(), text.len)).expect("UTF-8");
            }
            if !row.vector.is_null() {
                assert!(std::slice::from_raw_parts(row.vector, row.dimensions).iter().all(|x| x.is_finite()));
            }
            assert!(row.similarity.is_finite() && row.distance.is_finite() && row.score.is_finite());
        }
        CStr::from_ptr(qntx_embed_rows_explain(rows.as_ref())).to_str().expect("UTF-8");
        qntx_embed_rows_free(rows);
    }
}

unsafe fn put(store: Option<&qntx_embed_store>, records: &[Record]) {
    let records: Vec<qntx_embed_record> = records
        .iter()
        .map(|r| {
            // SAFETY: a structure of numbers and pointers; all zero is a value of it.
            let mut record: qntx_embed_record = unsafe { zeroed() };
            record.size = r.size.map_or(size_of::<qntx_embed_record>(), usize::from).min(size_of::<qntx_embed_record>());
            record.id = r.id.lend();
            record.source_type = name(r.source_type);
            record.source_id = name(r.source_id);
            record.text = r.text.lend();
            record.model = name(1);
            record.fingerprint = fingerprint(r.fingerprint);
            record.metadata = r.metadata.lend();
            if let Some(vector) = &r.vector {
                (record.vector, record.dimensions) = (vector.as_ptr(), vector.len());
            }
            record.chunk = r.chunk.into();
            (record.chunk_start, record.chunk_end) = (r.chunk_start, r.chunk_end);
            record
        })
        .collect();
    let mut outcomes = vec![0; records.len()];
    let mut error = null_mut();
    // SAFETY: all pointers are of values that live here. (Records of a smaller size are read with their own stride.)
    let status =
        unsafe { qntx_embed_store_put(store, records.as_ptr(), records.len(), outcomes.as_mut_ptr(), &mut error) };
    said(status, error);
}

unsafe fn search(store: Option<&qntx_embed_store>, s: &Search) {
    // SAFETY: as above.
    let mut options: qntx_embed_search_options = unsafe { zeroed() };
    let whole = size_of::<qntx_embed_search_options>();
    options.size = s.size.map_or(whole, usize::from).min(whole);
    options.fingerprint = fingerprint(s.fingerprint);
    options.filter = s.filter.lend();
    options.words = s.words.lend();
    options.like = s.like.lend();
    options.after_id = s.after_id.lend();
    (options.limit, options.candidates, options.depth) = (s.limit as usize, s.candidates.into(), s.depth.into());
    [options.threshold, options.after_distance, options.diversity, options.vector_weight, options.words_weight, options.rank_constant] =
        s.floats;
    options.index = s.index.into();
    (options.group_by_source, options.without_vectors) = (s.flags[0].into(), s.flags[1].into());
    let (query, dimensions) = s.query.as_ref().map_or((null(), 0), |q| (q.as_ptr(), q.len()));
    let (mut rows, mut error) = (null_mut(), null_mut());
    // SAFETY: all pointers are of values that live here.
    unsafe {
        if said(qntx_embed_store_search(store, query, dimensions, &options, &mut rows, &mut error), error) {
            read(rows);
        } else {
            assert!(rows.is_null());
        }
    }
}

unsafe fn run(store: Option<&qntx_embed_store>, step: &Step) {
    let (mut rows, mut text, mut error, mut count) = (null_mut(), null_mut(), null_mut(), 0);
    // SAFETY: all pointers are of values that live here.
    unsafe {
        match step {
            Step::Put(records) => put(store, records),
            Step::Search(s) => search(store, s),
            Step::Get(id) => {
                if said(qntx_embed_store_get(store, id.lend(), &mut rows, &mut error), error) {
                    read(rows);
                }
            }
            Step::GetSource(a, b) => {
                let status = qntx_embed_store_get_source(store, name(*a), name(*b), fingerprint(true), &mut rows, &mut error);
                if said(status, error) {
                    read(rows);
                }
            }
            Step::DeleteSource(a, b) => {
                said(qntx_embed_store_delete_source(store, name(*a), name(*b), &mut count, &mut error), error);
            }
            Step::DeleteIds(ids) => {
                let ids: Vec<_> = ids.iter().map(Text::lend).collect();
                said(qntx_embed_store_delete_ids(store, ids.as_ptr(), ids.len(), &mut count, &mut error), error);
            }
            Step::DeleteWhere(filter) => {
                said(qntx_embed_store_delete_where(store, filter.lend(), &mut count, &mut error), error);
            }
            Step::Count(of, filter) => {
                said(qntx_embed_store_count(store, of.lend(), filter.lend(), &mut count, &mut error), error);
            }
            Step::List { filter, after_id, limit, size } => {
                let mut options: qntx_embed_list_options = zeroed();
                let whole = size_of::<qntx_embed_list_options>();
                options.size = size.map_or(whole, usize::from).min(whole);
                (options.filter, options.after_id, options.limit) = (filter.lend(), after_id.lend(), *limit as usize);
                if said(qntx_embed_store_list(store, &options, &mut rows, &mut error), error) {
                    read(rows);
                }
            }
            Step::Stats => {
                assert!(said(qntx_embed_store_stats(store, &mut text, &mut error), error));
                qntx_embed_text_free(text);
            }
            Step::Verify(repair) => {
                if said(qntx_embed_store_verify(store, *repair, &mut text, &mut error), error) {
                    let json = CStr::from_ptr(qntx_embed_text_get(text.as_ref())).to_str().expect("UTF-8");
                    assert!(json.contains(r#""problems":[]"#), "{json}");
                    qntx_embed_text_free(text);
                }
            }
            Step::Optimize => assert!(said(qntx_embed_store_optimize(store, &mut error), error)),
            Step::Blob(vector) => {
                let mut blob = qntx_embed_blob { data: null_mut(), len: 0 };
                assert!(said(qntx_embed_blob_serialize(vector.as_ptr(), vector.len(), &mut blob, &mut error), error));
                assert_eq!(blob.len, 4 * vector.len());
                qntx_embed_blob_free(&mut blob);
                qntx_embed_blob_free(&mut blob);
            }
            Step::FromBlob(bytes, dimensions) => {
                let mut vector = vec![0.0; (*dimensions).into()];
                let fits = bytes.len() == 4 * vector.len();
                let status =
                    qntx_embed_blob_deserialize(bytes.as_ptr(), bytes.len(), vector.as_mut_ptr(), vector.len(), &mut error);
                assert_eq!(said(status, error), fits);
            }
            Step::Similarity(a, b) => {
                let n = a.len().min(b.len());
                let mut similarity = 0.0;
                if said(qntx_embed_similarity(a.as_ptr(), b.as_ptr(), n, &mut similarity, &mut error), error) {
                    assert!((-1.0..=1.0).contains(&similarity));
                }
            }
        }
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let path = ":memory:";
    let path = qntx_embed_str { ptr: path.as_ptr().cast(), len: path.len() };
    let (mut store, mut error) = (null_mut(), null_mut());
    // SAFETY: all pointers are of values that live here.
    unsafe {
        assert!(said(qntx_embed_store_open(path, null(), &mut store, &mut error), error));
        for step in steps.iter().take(20) {
            run(store.as_ref(), step);
        }
        qntx_embed_store_free(store);
    }
});
