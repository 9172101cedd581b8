//! Being asked to stop: SIGTERM from a supervisor, SIGINT from a terminal.

use tokio::signal::unix::{SignalKind, signal};

use crate::trouble::Trouble;

/// Exit code of a process that was interrupted twice: 128 and the number of SIGINT, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;

/// Waits to be asked to stop. Being asked once more ends the process at once: nothing that was acknowledged is lost by it.
///
/// # Errors
/// The signals cannot be listened to.
pub async fn asked_to_stop() -> Result<(), Trouble> {
    let listen = |kind| signal(kind).map_err(|error| Trouble::new("cannot listen to signals").because(error));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::spawn(async move {
        interrupt.recv().await;
        std::process::exit(EXIT_INTERRUPTED);
    });
    Ok(())
}
