//! A runtime that its caller waits for, also where the caller is inside another one.

use std::panic::resume_unwind;
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};

/// Carries futures out on the caller's thread, or on one of its own where the caller's belongs to another runtime.
pub(crate) struct Driver(Option<Runtime>);

impl Driver {
    /// A runtime of one thread, which is the caller's; `None` when the system has none left to give.
    pub(crate) fn new() -> Option<Self> {
        Builder::new_current_thread().enable_all().build().ok().map(|runtime| Self(Some(runtime)))
    }

    /// Carries a future out and returns when it is done.
    ///
    /// A thread inside a runtime may not enter a second one; there another thread does it, and the caller stands still meanwhile. So it
    /// is in a simulation, in which nothing else happens until a step is done.
    pub(crate) fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        let runtime = self.0.as_ref().expect("the runtime goes only with its driver");
        if Handle::try_current().is_err() {
            return runtime.block_on(future);
        }
        let carried_out = thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join());
        carried_out.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Drop for Driver {
    /// Waits for nothing, because it may happen inside another runtime, where nobody may wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
