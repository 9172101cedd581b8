//! A connection that loses patience with a peer who says nothing at the beginning, or does not take what it asked for.
//!
//! What lies between, slow heads and slow bodies, is timed where they are read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Until then the first bytes must be here: enough to tell HTTP/2 from HTTP/1.
const OPENING_TIME_MAX: Duration = Duration::from_secs(10);
/// That many bytes: the length of HTTP/2's preface.
const OPENING_BYTES: usize = 24;
/// Longest time in which a peer takes nothing of what is sent to it.
const STALL_TIME_MAX: Duration = Duration::from_secs(30);

/// An impatient connection.
pub(crate) struct Impatient<Io> {
    io: Io,
    /// Bytes still missing at the beginning.
    opening: usize,
    /// When patience ends; unarmed while nothing is awaited.
    timer: Option<Pin<Box<Sleep>>>,
    stalled: bool,
}

impl<Io> Impatient<Io> {
    /// Starts to wait for the first bytes.
    pub(crate) fn new(io: Io) -> Impatient<Io> {
        let timer = Some(Box::pin(sleep_until(Instant::now() + OPENING_TIME_MAX)));
        Impatient { io, opening: OPENING_BYTES, timer, stalled: false }
    }

    /// Something was awaited and is not here yet.
    fn wait<T>(timer: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match timer {
            Some(timer) => {
                ready!(timer.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            None => Poll::Pending,
        }
    }

    /// Watches over what was sent: armed while the peer takes nothing, unarmed when it does.
    fn sent<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if self.stalled || self.opening > 0 {
                (self.timer, self.stalled, self.opening) = (None, false, 0);
            }
            return outcome;
        }
        if !self.stalled {
            self.timer = Some(Box::pin(sleep_until(Instant::now() + STALL_TIME_MAX)));
            self.stalled = true;
        }
        Self::wait(&mut self.timer, context)
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Impatient<Io> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = into.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(context, into);
        if this.opening > 0 {
            if outcome.is_pending() {
                return Self::wait(&mut this.timer, context);
            }
            this.opening = this.opening.saturating_sub(into.filled().len() - before);
            if this.opening == 0 {
                this.timer = None;
            }
        }
        outcome
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Impatient<Io> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.sent(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, parts);
        self.sent(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        self.sent(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_shutdown(context);
        self.sent(outcome, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_at_the_beginning_is_cut() {
        let (ours, mut theirs) = duplex(64);
        let mut io = Impatient::new(ours);
        theirs.write_all(b"PRI * HT").await.expect("sent");
        let mut into = [0; 64];
        assert_eq!(io.read(&mut into).await.ok(), Some(8));
        assert_eq!(io.read(&mut into).await.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn later_silence_is_somebody_elses_business() {
        let (ours, mut theirs) = duplex(64);
        let mut io = Impatient::new(ours);
        theirs.write_all(&[b'x'; OPENING_BYTES]).await.expect("sent");
        let mut into = [0; 64];
        assert_eq!(io.read(&mut into).await.ok(), Some(OPENING_BYTES));
        let hour = Duration::from_hours(1);
        assert!(tokio::time::timeout(hour, io.read(&mut into)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_cut() {
        let (ours, mut theirs) = duplex(4);
        let mut io = Impatient::new(ours);
        assert_eq!(io.write(b"four").await.ok(), Some(4));
        let later = tokio::spawn(async move {
            tokio::time::sleep(STALL_TIME_MAX / 2).await;
            let mut into = [0; 4];
            theirs.read_exact(&mut into).await.expect("taken");
            theirs
        });
        assert_eq!(io.write(b"more").await.ok(), Some(4));
        let _theirs = later.await.expect("it ran");
        assert_eq!(io.write(b"last").await.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }
}
