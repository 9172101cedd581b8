//! The benchmark's own client: one thread, many kept connections, every answer judged. Each connection asks again as soon as it was
//! answered, or, paced, when the next request is due. It must cost little (about 10 microseconds a request): it runs on the same cores.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::LocalSet;

use super::machine::{self, micros, nanos, percentile};
use super::part::{Finished, Load};
use crate::http::Head;

/// After the window each open request may take this long to be answered.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(30);

/// What is asked, and which answer is right.
pub trait Requests: Send + Sync {
    /// Appends the bytes of request `number`; no two numbers may make the same unit.
    fn write(&self, number: u64, into: &mut Vec<u8>);
    /// Whether this is the answer it should be; judged by content, not by status alone.
    fn expected(&self, status: u16, head: &[u8], body: &[u8]) -> bool;
}

/// One answer that was right.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// Its request's number.
    pub number: u64,
    /// When its last byte had been read.
    pub at: Instant,
    /// How long it took, in microseconds; of a paced load since it was due.
    pub took_us: u64,
}

/// The product under load from one thread.
pub struct HttpLoad {
    requests: Arc<dyn Requests>,
    address: SocketAddr,
    connections: usize,
    /// Stop of its own after so many units; `u64::MAX` for never.
    units_max: u64,
    /// Requests that become due each second, whatever was answered; `None` for as fast as answers come.
    pace: Option<u64>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Vec<Acknowledged>>>>,
    acknowledged: Vec<Acknowledged>,
}

/// What both threads see.
#[derive(Default)]
struct Shared {
    acknowledged: AtomicU64,
    errors: AtomicU64,
    first_error: Mutex<Option<String>>,
    stop: AtomicBool,
    /// `PID/task/TID` below `/proc`.
    thread: OnceLock<String>,
    cpu_ns: AtomicU64,
}

impl Shared {
    fn complain(&self, why: String) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
}

impl HttpLoad {
    /// A load that is not started yet.
    pub fn new(address: SocketAddr, connections: usize, requests: Arc<dyn Requests>) -> HttpLoad {
        HttpLoad {
            requests,
            address,
            connections,
            units_max: u64::MAX,
            pace: None,
            shared: Arc::default(),
            thread: None,
            acknowledged: Vec::new(),
        }
    }

    /// Ends by itself after so many units, for [`HttpLoad::run_all`].
    #[must_use]
    pub fn of_units(mut self, units: u64) -> HttpLoad {
        self.units_max = units;
        self
    }

    /// Asks so often a second, however long answers take: an open loop.
    #[must_use]
    pub fn paced(mut self, per_second: u64) -> HttpLoad {
        self.pace = Some(per_second.max(1));
        self
    }

    /// Runs until the units of [`HttpLoad::of_units`] are made.
    ///
    /// # Errors
    /// When any answer was not what it should be.
    pub fn run_all(mut self) -> Result<Vec<Acknowledged>> {
        self.start(0)?;
        self.join()?;
        self.first_error().map_or(Ok(self.acknowledged), Err)
    }

    /// The right answers of a load that has ended.
    pub fn acknowledged(&self) -> &[Acknowledged] {
        &self.acknowledged
    }

    /// The first answer that was not what it should be.
    pub fn first_error(&self) -> Option<anyhow::Error> {
        let first = self.shared.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.as_ref().map(|why| anyhow!("{} unexpected answers, the first: {why}", self.shared.errors.load(Ordering::Relaxed)))
    }

    /// Tells the client to stop and takes what it noted.
    pub fn join(&mut self) -> Result<()> {
        let thread = self.thread.take().context("the load was started")?;
        self.acknowledged = thread.join().map_err(|_| anyhow!("the client's thread panicked"))??;
        Ok(())
    }

    /// Asks the client to send nothing new.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Load for HttpLoad {
    fn start(&mut self, _seconds: u64) -> Result<()> {
        let (requests, address, shared) = (self.requests.clone(), self.address, self.shared.clone());
        let (connections, units_max, pace) = (self.connections, self.units_max, self.pace);
        let work = move || {
            if let Ok(own) = fs::read_link("/proc/thread-self") {
                let _ = shared.thread.set(own.display().to_string());
            }
            let due = pace.map(|per_second| begin_pace(per_second, &shared)).transpose()?;
            let numbers = Numbers { asked: Cell::new(0), units_max, due: due.map(tokio::sync::Mutex::new) };
            let acknowledged = drive(address, connections, numbers, &requests, &shared);
            shared.cpu_ns.store(machine::own_thread_cpu_ns(), Ordering::Relaxed);
            acknowledged
        };
        self.thread = Some(thread::Builder::new().name("client".into()).spawn(work)?);
        Ok(())
    }

    fn units(&self) -> Result<u64> {
        Ok(self.shared.acknowledged.load(Ordering::Relaxed))
    }

    fn client_cpu_ns(&self) -> u64 {
        let running = self.shared.thread.get().and_then(|thread| fs::read_to_string(format!("/proc/{thread}/schedstat")).ok());
        let cpu_ns = running.and_then(|text| text.split(' ').next()?.parse().ok());
        cpu_ns.unwrap_or_else(|| self.shared.cpu_ns.load(Ordering::Relaxed))
    }

    fn finish(&mut self, window: Duration) -> Result<Finished> {
        let from = Instant::now();
        thread::sleep(window);
        let units_in_time = self.units()?;
        let until = Instant::now();
        self.stop();
        self.join()?;
        let in_window = self.acknowledged.iter().filter(|answer| answer.at >= from && answer.at <= until);
        let mut times: Vec<u64> = in_window.map(|answer| answer.took_us).collect();
        times.sort_unstable();
        Ok(Finished {
            units_in_time,
            units: self.units()?,
            length_ns: nanos(until - from),
            p50_us: percentile(&times, 50),
            p99_us: percentile(&times, 99),
            client_cpu_ns: self.shared.cpu_ns.load(Ordering::Relaxed),
            errors: self.shared.errors.load(Ordering::Relaxed),
        })
    }
}

/// Numbers that fall due one after the other. A thread of its own: the timers of the client's runtime are as coarse as a fast answer.
fn begin_pace(per_second: u64, shared: &Arc<Shared>) -> Result<UnboundedReceiver<(u64, Instant)>> {
    let (numbers, due) = mpsc::unbounded_channel();
    let shared = shared.clone();
    let work = move || {
        let began = Instant::now();
        for number in 0_u64.. {
            let at = began + Duration::from_nanos(number.saturating_mul(1_000_000_000) / per_second);
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if shared.stop.load(Ordering::Relaxed) || numbers.send((number, at)).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().name("pace".into()).spawn(work)?;
    Ok(due)
}

/// Which request comes next.
struct Numbers {
    asked: Cell<u64>,
    units_max: u64,
    due: Option<tokio::sync::Mutex<UnboundedReceiver<(u64, Instant)>>>,
}

impl Numbers {
    /// The next number, and since when it is due when that is not now; `None` when there are no more.
    async fn next(&self, shared: &Shared) -> Option<(u64, Option<Instant>)> {
        if let Some(due) = &self.due {
            return due.lock().await.recv().await.map(|(number, at)| (number, Some(at)));
        }
        let number = self.asked.get();
        let goes_on = !shared.stop.load(Ordering::Relaxed) && number < self.units_max;
        self.asked.set(number + 1);
        goes_on.then_some((number, None))
    }
}

/// The client's thread: opens all connections, lets each ask until told to stop.
fn drive(
    address: SocketAddr,
    connections: usize,
    numbers: Numbers,
    requests: &Arc<dyn Requests>,
    shared: &Arc<Shared>,
) -> Result<Vec<Acknowledged>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let numbers = Rc::new(numbers);
    let acknowledged = Rc::new(RefCell::new(Vec::with_capacity(1 << 16)));
    let tasks = LocalSet::new();
    let mut handles = Vec::new();
    for _ in 0..connections {
        let line = Line {
            requests: requests.clone(),
            shared: shared.clone(),
            numbers: numbers.clone(),
            acknowledged: acknowledged.clone(),
        };
        handles.push(tasks.spawn_local(async move {
            if let Err(error) = line.run(address).await {
                line.shared.complain(error.to_string());
            }
        }));
    }
    let stopped = async {
        while !shared.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(LAST_ANSWERS_MAX).await;
    };
    let finished = async {
        for handle in handles {
            let _ = handle.await;
        }
    };
    runtime.block_on(tasks.run_until(async {
        tokio::select! {
            () = finished => {}
            () = stopped => shared.complain(format!("requests unanswered {} s after the end", LAST_ANSWERS_MAX.as_secs())),
        }
    }));
    drop(tasks);
    Ok(acknowledged.take())
}

/// One connection.
struct Line {
    requests: Arc<dyn Requests>,
    shared: Arc<Shared>,
    numbers: Rc<Numbers>,
    acknowledged: Rc<RefCell<Vec<Acknowledged>>>,
}

impl Line {
    async fn run(&self, address: SocketAddr) -> Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut request = Vec::with_capacity(2_048);
        let mut answer = vec![0_u8; 65_536];
        while let Some((number, due)) = self.numbers.next(&self.shared).await {
            request.clear();
            self.requests.write(number, &mut request);
            let began = due.unwrap_or_else(Instant::now);
            stream.write_all(&request).await?;
            let (head, filled) = read_answer(&mut stream, &mut answer).await?;
            let (text, body) = answer[..filled].split_at(head.length);
            if self.requests.expected(head.status, text, body) {
                let at = Instant::now();
                let took_us = micros(at - began);
                self.acknowledged.borrow_mut().push(Acknowledged { number, at, took_us });
                self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            } else {
                let shown: String = String::from_utf8_lossy(body).chars().take(300).collect();
                self.shared.complain(format!("{} {shown}", head.status));
            }
        }
        Ok(())
    }
}

/// Reads one whole answer into the buffer; how much of it is filled.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(Head, usize)> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(anyhow!("the product closed the connection, or its answer is too long"));
        }
        filled += read;
        if let Some(head) = Head::parse(&buffer[..filled])?
            && filled >= head.length + head.body
        {
            return Ok((head, head.length + head.body));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Numbered requests; an answer is right when it says so.
    struct Numbered;

    impl Requests for Numbered {
        fn write(&self, number: u64, into: &mut Vec<u8>) {
            let _ = write!(into, "GET /{number} HTTP/1.1\r\n\r\n");
        }

        fn expected(&self, status: u16, _head: &[u8], body: &[u8]) -> bool {
            status == 200 && body == b"right"
        }
    }

    /// Answers every request, in two pieces, `wrong` to those whose path holds a 7.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                thread::spawn(move || {
                    let mut request = [0_u8; 1_024];
                    while let Ok(read) = stream.read(&mut request) {
                        if read == 0 {
                            return;
                        }
                        let body = if request[..read].contains(&b'7') { "wrong" } else { "right" };
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").expect("the head's begin");
                        stream.write_all(format!("ngth: 5\r\n\r\n{body}").as_bytes()).expect("the rest");
                    }
                });
            }
        });
        address
    }

    #[test]
    fn every_answer_is_judged_and_numbers_come_once() {
        let mut load = HttpLoad::new(server(), 4, Arc::new(Numbered)).of_units(100);
        load.start(0).expect("a thread");
        load.join().expect("a run");
        let mut numbers: Vec<u64> = load.acknowledged().iter().map(|answer| answer.number).collect();
        numbers.sort_unstable();
        let right: Vec<u64> = (0..100).filter(|number| !number.to_string().contains('7')).collect();
        assert_eq!(numbers, right);
        let error = load.first_error().expect("some were wrong").to_string();
        assert!(error.starts_with("19 unexpected answers") && error.contains("200 wrong"), "{error}");
    }

    /// Requests that are always right.
    struct Right;

    impl Requests for Right {
        fn write(&self, _number: u64, into: &mut Vec<u8>) {
            into.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
        }

        fn expected(&self, _status: u16, _head: &[u8], body: &[u8]) -> bool {
            body == b"right"
        }
    }

    #[test]
    fn a_paced_load_asks_as_often_as_it_was_told() {
        let mut load = HttpLoad::new(server(), 4, Arc::new(Right)).paced(200);
        load.start(0).expect("a thread");
        let finished = load.finish(Duration::from_millis(500)).expect("a run");
        assert_eq!(finished.errors, 0);
        // Not more than were due; a busy machine may be behind.
        assert!((10..=101).contains(&finished.units), "{} units", finished.units);
    }

    #[test]
    fn a_window_counts_what_was_answered_in_it() {
        let mut load = HttpLoad::new(server(), 2, Arc::new(Right));
        load.start(0).expect("a thread");
        let finished = load.finish(Duration::from_millis(100)).expect("a run");
        assert_eq!(finished.errors, 0);
        assert!(finished.units_in_time > 0 && finished.units >= finished.units_in_time);
        assert_eq!(finished.units, load.acknowledged().len() as u64);
        assert!(finished.client_cpu_ns > 0 && finished.p50_us <= finished.p99_us);
    }
}
