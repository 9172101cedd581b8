//! The end of a connection whose peer still sends.
//!
//! A refusal may be decided before its request is read: a body that is too large, a key that is wrong. Whoever sends everything before
//! he reads would never see it, for a connection that is closed with bytes unread is reset, and what was sent on it is thrown away. So
//! our side is ended first, and what still comes is read and dropped for a while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Longest time in all.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest time in which nothing comes.
const LINGER_SILENCE_MAX: Duration = Duration::from_secs(2);
/// Most that is dropped, in bytes.
const LINGER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What is read at once, in bytes.
const PIECE_BYTES: usize = 8 * 1024;

/// How far the end of a connection is.
#[derive(Default)]
pub(crate) enum Linger {
    /// Nothing is ended yet.
    #[default]
    Open,
    /// Our side is ended.
    Listening(Box<Listening>),
    /// Both are.
    Over,
}

/// What is known of a peer who is listened to no more.
pub(crate) struct Listening {
    end: Instant,
    timer: Pin<Box<Sleep>>,
    dropped: usize,
}

impl Linger {
    /// Ends our side, then reads until `watch`, which is shown everything, has seen enough, the peer ends his side, or a limit is reached.
    pub(crate) fn poll_end<Io: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut Io,
        context: &mut Context<'_>,
        mut watch: impl FnMut(&mut [u8]) -> bool,
    ) -> Poll<io::Result<()>> {
        loop {
            match self {
                Linger::Over => return Poll::Ready(Ok(())),
                Linger::Open => {
                    ready!(Pin::new(&mut *io).poll_shutdown(context))?;
                    let now = Instant::now();
                    let timer = Box::pin(sleep_until(now + LINGER_SILENCE_MAX));
                    *self = Linger::Listening(Box::new(Listening { end: now + LINGER_TIME_MAX, timer, dropped: 0 }));
                }
                Linger::Listening(listening) => {
                    ready!(listening.poll_drop(io, context, &mut watch));
                    *self = Linger::Over;
                }
            }
        }
    }
}

impl Listening {
    fn poll_drop<Io: AsyncRead + Unpin>(
        &mut self,
        io: &mut Io,
        context: &mut Context<'_>,
        watch: &mut impl FnMut(&mut [u8]) -> bool,
    ) -> Poll<()> {
        let mut piece = [0; PIECE_BYTES];
        while self.dropped < LINGER_BYTES_MAX && Instant::now() < self.end {
            let mut into = ReadBuf::new(&mut piece);
            match Pin::new(&mut *io).poll_read(context, &mut into) {
                Poll::Pending => return self.timer.as_mut().poll(context),
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {}
                // Ended or broken off: there is nobody left to wait for.
                Poll::Ready(_) => return Poll::Ready(()),
            }
            self.dropped += into.filled().len();
            if watch(into.filled_mut()) {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.end.min(Instant::now() + LINGER_SILENCE_MAX));
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// How long the end of a connection takes whose peer sends so many bytes at a time, with so much time between.
    async fn lasts(bytes: usize, pause: Duration) -> Duration {
        let (mut ours, mut theirs) = duplex(PIECE_BYTES);
        let sending = tokio::spawn(async move {
            let mut said = String::new();
            theirs.read_to_string(&mut said).await.expect("our side is ended at once");
            while theirs.write_all(&vec![b'x'; bytes]).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let began = Instant::now();
        end(&mut ours, usize::MAX).await;
        let lasted = began.elapsed();
        sending.abort();
        lasted
    }

    /// Ends a connection on whose peer's side so many bytes are enough.
    async fn end(io: &mut DuplexStream, enough: usize) {
        let (mut linger, mut seen) = (Linger::default(), 0);
        poll_fn(|context| {
            linger.poll_end(io, context, |piece| {
                seen += piece.len();
                seen >= enough
            })
        })
        .await
        .expect("ended");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_slowness_and_plenty_have_an_end() {
        let tick = Duration::from_millis(10);
        let near = |lasted: Duration, limit: Duration| (limit..limit + tick).contains(&lasted);
        assert!(near(lasts(1, Duration::from_hours(1)).await, LINGER_SILENCE_MAX));
        assert!(near(lasts(1, Duration::from_millis(100)).await, LINGER_TIME_MAX));
        assert_eq!(lasts(2 * LINGER_BYTES_MAX, Duration::ZERO).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_sent_everything_is_not_waited_for() {
        let (mut ours, mut theirs) = duplex(PIECE_BYTES);
        theirs.write_all(b"all of it").await.expect("sent");
        let began = Instant::now();
        end(&mut ours, 9).await;
        drop(theirs);
        end(&mut ours, usize::MAX).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
