//! Log lines on standard error: text for people, JSON for machines; panics become log lines.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::trouble::Trouble;

/// Whether this stream shows colours: it is a terminal and nobody asked for none (<https://no-color.org>).
pub fn wants_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts logging for the whole process. A second call in one process changes nothing.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(config: &Config) -> Result<(), Trouble> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| {
        Trouble::new("the setting log cannot be used").because(error).remedy("use a level such as info, or module=level,…")
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Err means that a subscriber is there already: the tests start several servers in one process.
    let started = match config.log_format {
        LogFormat::Text => lines.with_ansi(wants_colour(&std::io::stderr())).with_target(false).compact().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// A panic's text may quote a row or a request: only texts fixed in the program are logged, and always the place.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("its text holds data and is not logged");
    tracing::error!(place, text, "a defect: the program panicked");
}
