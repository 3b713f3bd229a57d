//! Calls that go on while their caller does something else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use common::{fixture, minilm, options};
use qntx_embed::{CancelToken, Code, EmbedOptions, Embedder, ModelOptions, Pending, Prompt};

fn tiny() -> Arc<Embedder> {
    Arc::new(Embedder::open(&fixture("tiny-prompts"), &options()).unwrap())
}

/// Texts that keep two processors busy for some seconds.
fn many() -> Vec<String> {
    (0..4000).map(|i| format!("{i}: {}", "the failing pump was repaired before the harvest ".repeat(4))).collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// A tell that sends its number.
fn tells(pending: &Pending, number: usize, to: &mpsc::Sender<usize>) {
    let to = to.clone();
    pending.on_ready(move || to.send(number).unwrap());
}

#[test]
fn what_is_started_is_what_embed_batch_gives() {
    let model = tiny();
    let texts = ["a text", "", "another one", "a text", "a longer text of some more words than these"];
    for prompt in [Prompt::Default, Prompt::Named("query"), Prompt::Text("look for: ")] {
        for dimensions in [None, Some(8)] {
            let options = EmbedOptions { prompt, dimensions, ..EmbedOptions::default() };
            let expected = model.embed_batch(&texts, &options).unwrap();
            assert_eq!(model.start(&texts, &options).unwrap().wait().unwrap(), expected);
            let one = model.start(&texts[2..3], &options).unwrap().wait().unwrap();
            assert_eq!(one, expected[2..3]);
        }
    }
    let none = model.start(&[], &EmbedOptions::default()).unwrap();
    assert!(none.is_ready());
    assert_eq!(none.wait().unwrap(), []);
}

/// More calls than a process may have threads.
#[test]
fn a_thread_starts_any_number_of_calls() {
    let model = tiny();
    let (send, receive) = mpsc::channel();
    let text = |i: usize| format!("a text that ends with {}", i % 100);
    let calls: Vec<Pending> = (0..20_000)
        .map(|i| {
            let call = model.start(&[&text(i)], &EmbedOptions::default()).unwrap();
            tells(&call, i, &send);
            call
        })
        .collect();
    let mut told: Vec<usize> = receive.iter().take(calls.len()).collect();
    told.sort_unstable();
    assert!(told.into_iter().eq(0..calls.len()), "each is told once");
    let expected: Vec<_> = (0..100).map(|i| model.embed(&text(i), &EmbedOptions::default()).unwrap()).collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert!(call.is_ready());
        assert_eq!(call.wait().unwrap(), [expected[i % 100].clone()]);
    }
    assert!(receive.try_recv().is_err());
}

#[test]
fn any_number_of_calls_can_be_dropped() {
    let model = Arc::new(minilm());
    let began = Instant::now();
    let calls: Vec<_> = (0..20_000).map(|_| model.start(&["a text"], &EmbedOptions::default()).unwrap()).collect();
    drop(calls);
    model.embed("next", &EmbedOptions::default()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn who_comes_late_is_told_at_once_and_the_last_one_counts() {
    let model = tiny();
    let (send, receive) = mpsc::channel();
    let call = model.start(&["a text"], &EmbedOptions::default()).unwrap();
    tells(&call, 1, &send);
    receive.recv().unwrap();
    tells(&call, 2, &send);
    assert_eq!(receive.try_recv(), Ok(2));
    let slow = Arc::new(minilm());
    let call = slow.start(&["word ".repeat(500).as_str()], &EmbedOptions::default()).unwrap();
    tells(&call, 3, &send);
    tells(&call, 4, &send);
    assert_eq!(receive.recv(), Ok(4));
    assert!(receive.try_recv().is_err());
}

#[test]
fn a_call_that_is_dropped_is_cancelled_and_tells_nobody() {
    let model = Arc::new(minilm());
    let texts = many();
    let began = Instant::now();
    let call = model.start(&strs(&texts), &EmbedOptions::default()).unwrap();
    let (send, receive) = mpsc::channel();
    tells(&call, 1, &send);
    drop(call);
    model.embed("next", &EmbedOptions::default()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "the engine was still busy with the dropped call");
    assert!(receive.try_recv().is_err());
}

#[test]
fn a_token_ends_a_call_and_it_is_told() {
    let model = Arc::new(minilm());
    let (texts, cancel) = (many(), CancelToken::new());
    let options = EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() };
    let call = model.start(&strs(&texts), &options).unwrap();
    let (send, receive) = mpsc::channel();
    tells(&call, 1, &send);
    cancel.cancel();
    receive.recv_timeout(Duration::from_secs(1)).unwrap();
    assert_eq!(call.wait().err().map(|e| e.code()), Some(Code::Cancelled));
    assert_eq!(model.start(&["a"], &options).err().map(|e| e.code()), Some(Code::Cancelled));
    // Who is told may use the token again.
    let cancel = CancelToken::new();
    let call = model.start(&strs(&texts), &EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() }).unwrap();
    let (own, again, result) = (cancel.clone(), Arc::clone(&model), send.clone());
    call.on_ready(move || {
        let refused = again.start(&["a"], &EmbedOptions { cancel: Some(&own), ..EmbedOptions::default() });
        result.send(refused.err().map_or(0, |e| e.code() as usize)).unwrap();
    });
    cancel.cancel();
    assert_eq!(receive.recv_timeout(Duration::from_secs(1)), Ok(Code::Cancelled as usize));
    // What was there before stays.
    let cancel = CancelToken::new();
    let call = model.start(&["a"], &EmbedOptions { cancel: Some(&cancel), ..EmbedOptions::default() }).unwrap();
    tells(&call, 2, &send);
    receive.recv().unwrap();
    cancel.cancel();
    assert_eq!(call.wait().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_done_is_refused_when_it_is_started() {
    let model = Arc::new(Embedder::open(&fixture("tiny-mean"), &ModelOptions { queue: 10, ..options() }).unwrap());
    let refused = |options: &EmbedOptions| model.start(&["a text"], options).err().map(|e| e.code());
    let progress = |_, _| ();
    let options = EmbedOptions { progress: Some(&progress), ..EmbedOptions::default() };
    assert_eq!(refused(&options), Some(Code::InvalidArgument));
    assert_eq!(refused(&EmbedOptions { dimensions: Some(33), ..EmbedOptions::default() }), Some(Code::Dimensions));
    let long = many();
    let large = model.start(&strs(&long), &EmbedOptions::default()).unwrap();
    assert_eq!(refused(&EmbedOptions::default()), Some(Code::Overloaded));
    drop(large);
    assert_eq!(refused(&EmbedOptions::default()), None);
}

#[test]
fn the_cache_gets_what_was_started_and_answers_at_once() {
    let cached = ModelOptions { cache_bytes: 1 << 20, ..options() };
    let model = Arc::new(Embedder::open(&fixture("tiny-prompts"), &cached).unwrap());
    let options = EmbedOptions { prompt: Prompt::Named("query"), ..EmbedOptions::default() };
    let first = model.start(&["one", "two"], &options).unwrap().wait().unwrap();
    assert_eq!(model.cache_stats().entries, 2);
    let again = model.start(&["two", "one"], &options).unwrap();
    assert!(again.is_ready());
    assert_eq!(again.wait().unwrap(), [first[1].clone(), first[0].clone()]);
    assert_eq!(model.cache_stats().hits, 2);
    assert_eq!(model.embed("one", &options).unwrap(), first[0]);
}

#[test]
fn a_call_keeps_its_model_and_whoever_is_told_may_be_the_last_to_have_it() {
    let model = tiny();
    let expected = model.embed("a text", &EmbedOptions::default()).unwrap();
    let call = model.start(&["a text"], &EmbedOptions::default()).unwrap();
    drop(model);
    assert_eq!(call.wait().unwrap(), [expected]);

    let model = Arc::new(minilm());
    let call = model.start(&["word ".repeat(500).as_str()], &EmbedOptions::default()).unwrap();
    let (send, receive) = mpsc::channel();
    let (give, given) = mpsc::channel::<Pending>();
    call.on_ready(move || {
        drop(given.recv().unwrap()); // the call, and with it the model, on a thread of the model's
        send.send(()).unwrap();
    });
    drop(model);
    give.send(call).unwrap();
    receive.recv_timeout(Duration::from_secs(10)).unwrap();
}

/// Asks, when it is dropped, whether the call is over.
struct Asks(Arc<Pending>);

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.is_ready();
    }
}

#[test]
fn whoever_is_not_told_any_more_may_ask_for_the_call() {
    let model = Arc::new(minilm());
    let call = Arc::new(model.start(&["word ".repeat(500).as_str()], &EmbedOptions::default()).unwrap());
    let asks = Asks(Arc::clone(&call));
    call.on_ready(move || drop(asks));
    let (send, receive) = mpsc::channel();
    tells(&call, 1, &send);
    assert_eq!(receive.recv_timeout(Duration::from_secs(10)), Ok(1));
}

#[test]
fn a_panic_of_the_one_who_is_told_harms_nobody() {
    let model = tiny();
    for _ in 0..10 {
        let call = model.start(&["a text", "another"], &EmbedOptions::default()).unwrap();
        call.on_ready(|| panic!("not what one should do"));
        assert_eq!(call.wait().unwrap().len(), 2);
    }
    model.embed_batch(&["a", "b", "c"], &EmbedOptions::default()).unwrap();
}

struct Thread(std::thread::Thread, AtomicUsize);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.unpark();
    }
}

#[test]
fn a_call_is_a_future() {
    let model = tiny();
    let expected = model.embed("a text", &EmbedOptions::default()).unwrap();
    for _ in 0..100 {
        let mut call = pin!(model.start(&["a text"], &EmbedOptions::default()).unwrap());
        let thread = Arc::new(Thread(std::thread::current(), AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&thread));
        let mut polls = 0;
        let result = loop {
            polls += 1;
            match call.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => break result,
                Poll::Pending => std::thread::park_timeout(Duration::from_secs(10)),
            }
        };
        assert_eq!(result.unwrap(), std::slice::from_ref(&expected));
        assert!(polls <= 3 && thread.1.load(Ordering::SeqCst) <= 1, "{polls} polls");
        // Asked again it fails, and does not hang.
        let again = call.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(matches!(again, Poll::Ready(Err(e)) if e.code() == Code::InvalidArgument));
    }
}
